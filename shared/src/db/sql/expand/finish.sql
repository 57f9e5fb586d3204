-- The last chunk: the plan is expanded, unless people were added or are to be reminded meanwhile, and finished if nobody in it can be
-- sent to and no ladder is open. $1 expand job, $2 plan. The caller holds the plan's row.
WITH gone AS (
    DELETE FROM job WHERE id = $1
), others AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM job j WHERE j.plan_id = $2 AND j.kind + 0 = 0 AND j.id <> $1) AS are_left
)
UPDATE plan
   SET expanded = NOT o.are_left, started_at = coalesce(started_at, now()),
       status = CASE WHEN status IN (3, 4, 5) AND n_open = 0 AND n_waiting = 0 AND NOT o.are_left THEN 6 WHEN status = 3 THEN 4 ELSE status END,
       finished_at = CASE WHEN n_open = 0 AND n_waiting = 0 AND NOT o.are_left THEN coalesce(finished_at, now()) ELSE finished_at END
  FROM others o
 WHERE id = $2
