-- A plan is not over, and is no draft (or rejected one), which waits for its owner.
SELECT 'status ' || status || ', open ' || n_open FROM plan WHERE status NOT IN (0, 2) AND (status < 6 OR finished_at IS NULL)
