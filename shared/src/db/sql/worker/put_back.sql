-- A published job waits again. $1 job, $2 delay in ms.
UPDATE job SET state = 0, publishes = 0, due_at = now() + $2::double precision * interval '1 ms' WHERE id = $1 AND state = 1
