-- Shows a sign of life; no row: this run was declared dead. Returns the time. $1 run.
UPDATE worker_incarnation SET beat = beat + 1 WHERE id = $1 AND ended_at IS NULL RETURNING clock_timestamp()
