-- Plans that have enough answers and are not over yet, by the index plan_enough. $1 after this one, $2 at most.
SELECT id FROM plan WHERE enough_at IS NOT NULL AND finished_at IS NULL AND id + 0 > $1 ORDER BY id + 0 LIMIT $2
