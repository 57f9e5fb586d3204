-- Finding halted plans by an index and no other way, whatever the statistics were when the statement was planned: `id + 0` is only
-- written in the statements meant for it, and matches no other index.
DROP INDEX plan_to_sweep;
CREATE INDEX plan_to_sweep ON plan ((id + 0)) WHERE status IN (7, 8, 9) AND finished_at IS NULL;
DROP INDEX plan_parked;
CREATE INDEX plan_parked ON plan ((id + 0)) WHERE parked;

-- Large plans that were ended are found at once, whatever number of small ones waits before them.
CREATE INDEX plan_to_sweep_large ON plan ((id + 0)) WHERE status IN (7, 8, 9) AND finished_at IS NULL AND n_recipients > 100;
