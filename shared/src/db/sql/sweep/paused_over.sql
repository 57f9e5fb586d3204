-- A paused plan whose last calls have ended is finished. $1 plan.
UPDATE plan SET status = 6, finished_at = coalesce(finished_at, now()), parked = false
 WHERE id = $1 AND status = 5 AND expanded AND n_open = 0
