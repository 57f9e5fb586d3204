-- The pattern of a series that is over is finished. $1 plan.
UPDATE plan SET status = 6, finished_at = now() WHERE id = $1
