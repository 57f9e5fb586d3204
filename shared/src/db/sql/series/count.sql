-- Counts occurrences. $1 pattern, $2 started, $3 left out.
INSERT INTO series AS s (plan_id, n_started, n_skipped) VALUES ($1, $2, $3)
ON CONFLICT (plan_id) DO UPDATE SET n_started = s.n_started + excluded.n_started, n_skipped = s.n_skipped + excluded.n_skipped
