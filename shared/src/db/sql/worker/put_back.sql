-- A published job waits again; with no delay it also gives its account up, so that admission chooses anew. $1 job, $2 delay in ms.
UPDATE job SET state = 0, publishes = 0, due_at = now() + $2::double precision * interval '1 ms',
               account_id = CASE WHEN $2 > 0 THEN account_id END
 WHERE id = $1 AND state = 1
