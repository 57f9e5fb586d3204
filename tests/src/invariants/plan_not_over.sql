-- A plan is not over.
SELECT 'status ' || status || ', open ' || n_open FROM plan WHERE status <> 2 AND (status < 6 OR finished_at IS NULL)
