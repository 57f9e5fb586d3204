-- Ended plans that are not over yet, by the index plan_to_sweep; without the large ones. $1 after this one, $2 at most.
SELECT id FROM plan
 WHERE status IN (7, 8, 9) AND finished_at IS NULL AND n_recipients <= 100 AND id + 0 > $1 ORDER BY id + 0 LIMIT $2
