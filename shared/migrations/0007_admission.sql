-- Fair admission: finding the tenants and plans that wait in a queue without reading their jobs, and one dispatcher per queue.

-- For loose index scans over the flows of a queue. Jobs born published never touch it. Written with `+ 0` so that the statements meant
-- for it can use no other index (job_due leads with the bare kind, job_plan with the bare plan_id) and no other statement is drawn to it.
CREATE INDEX job_flow ON job (lane, (slot & 15::smallint), tenant_id, (plan_id + 0), due_at) WHERE kind + 0 = 1 AND state = 0;

CREATE TABLE dispatcher_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    beat        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
COMMENT ON TABLE  dispatcher_run IS 'One run of one dispatcher process. It is dead once its beat stands still for 3 s of another one''s own clock; deleted when it stops.';
COMMENT ON COLUMN dispatcher_run.id IS 'Named by admission_turn.';
COMMENT ON COLUMN dispatcher_run.started_at IS 'When the process came up.';
COMMENT ON COLUMN dispatcher_run.beat IS 'Counted up twice a second by its owner.';

CREATE TABLE admission_turn (
    channel     smallint NOT NULL CHECK (channel BETWEEN 1 AND 10),
    lane        smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    owner       bigint,
    epoch       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, lane)
) WITH (fillfactor = 50);
COMMENT ON TABLE  admission_turn IS 'Which dispatcher admits the jobs of a queue, so that its window is filled once and its sharing is decided in one place. Urgent queues have none: anyone admits.';
COMMENT ON COLUMN admission_turn.channel IS 'The queue''s medium (domain::Channel).';
COMMENT ON COLUMN admission_turn.lane IS 'The queue''s priority (domain::Lane).';
COMMENT ON COLUMN admission_turn.owner IS 'The dispatcher_run; NULL: free.';
COMMENT ON COLUMN admission_turn.epoch IS 'Counts changes of owner; a take-over names the one it saw.';
