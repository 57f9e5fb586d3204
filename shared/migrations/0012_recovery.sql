-- A crash of one server process makes PostgreSQL recover without starting anew: pg_postmaster_start_time() stays as it is, and the
-- last 0.6 s of asynchronous commits, slices given out among them, are lost all the same.

ALTER TABLE account_pace ADD COLUMN recovered timestamptz;
COMMENT ON COLUMN account_pace.recovered IS 'When the server''s statistics had last been reset when tat was written: every recovery resets them, so an older time means that asynchronous commits may have been lost since.';
