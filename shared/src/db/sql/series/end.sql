-- A series is over: no further turn. $1 the pattern's job, $2 plan.
WITH gone AS (DELETE FROM job WHERE id = $1)
UPDATE plan SET status = 4, expanded = true, started_at = coalesce(started_at, now()), n_waiting = 0 WHERE id = $2
