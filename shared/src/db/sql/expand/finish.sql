-- The last chunk: the plan is expanded, and finished if nobody in it can be sent to and no ladder is open. $1 expand job, $2 plan.
WITH gone AS (DELETE FROM job WHERE id = $1)
UPDATE plan
   SET expanded = true, started_at = coalesce(started_at, now()),
       status = CASE WHEN status IN (3, 4, 5) AND n_open = 0 AND n_waiting = 0 THEN 6 WHEN status = 3 THEN 4 ELSE status END,
       finished_at = CASE WHEN n_open = 0 AND n_waiting = 0 THEN now() ELSE finished_at END
 WHERE id = $2
