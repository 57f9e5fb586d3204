-- Fleet-wide limits and the health of accounts. account_pace is written several times a second for each account in use, so it stands
-- alone; account_health is what every worker and dispatcher reads.

ALTER TABLE account ADD COLUMN weight integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000);
COMMENT ON COLUMN account.weight IS 'Share of the work among accounts of the same failover_order.';
COMMENT ON COLUMN account.limits IS 'per_second (calls), per_minute and per_day (calls, or people where "per" is "recipient"), concurrency (calls at once per worker).';

CREATE TABLE account_pace (
    account_id  bigint PRIMARY KEY,
    tat         timestamptz NOT NULL DEFAULT '-infinity',
    boot        timestamptz NOT NULL DEFAULT '-infinity',
    minute      integer[] NOT NULL DEFAULT array_fill(0, ARRAY[61]),
    minute_at   bigint NOT NULL DEFAULT 0,
    day         integer[] NOT NULL DEFAULT array_fill(0, ARRAY[61]),
    day_at      bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
COMMENT ON TABLE  account_pace IS 'What of an account''s limits is given out already. A slice of time is given to one worker, so slices never overlap.';
COMMENT ON COLUMN account_pace.account_id IS 'The account.';
COMMENT ON COLUMN account_pace.tat IS 'Slots before this time are given out (GCRA''s theoretical arrival time).';
COMMENT ON COLUMN account_pace.boot IS 'Start of the database server that tat was written under: asynchronous commits may have been lost with an older one.';
COMMENT ON COLUMN account_pace.minute IS 'Units given out in each of the last 61 seconds, as a ring by second modulo 61.';
COMMENT ON COLUMN account_pace.minute_at IS 'The second (Unix time) minute was last moved to.';
COMMENT ON COLUMN account_pace.day IS 'Units given out in each of the last 61 spans of 24 minutes, as a ring.';
COMMENT ON COLUMN account_pace.day_at IS 'The span (Unix time / 1440 s) day was last moved to.';

CREATE TABLE account_health (
    account_id      bigint PRIMARY KEY,
    paused_until    timestamptz NOT NULL DEFAULT '-infinity',
    paused_at       timestamptz NOT NULL DEFAULT now(),
    pause_reason    text,
    factor          double precision NOT NULL DEFAULT 1 CHECK (factor BETWEEN 0.1 AND 1),
    factor_at       timestamptz NOT NULL DEFAULT '-infinity',
    share           double precision NOT NULL DEFAULT 1 CHECK (share BETWEEN 0 AND 1),
    breaker         smallint NOT NULL DEFAULT 0 CHECK (breaker BETWEEN 0 AND 1),
    open_until      timestamptz NOT NULL DEFAULT '-infinity',
    trips           smallint NOT NULL DEFAULT 0,
    good            double precision NOT NULL DEFAULT 0,
    bad             double precision NOT NULL DEFAULT 0,
    latency_ms      double precision NOT NULL DEFAULT 0,
    usual_ms        double precision NOT NULL DEFAULT 0,
    judged_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE  account_health IS 'How an account does, as the whole fleet sees it. No row: as good as new.';
COMMENT ON COLUMN account_health.account_id IS 'The account.';
COMMENT ON COLUMN account_health.paused_until IS 'The provider asked for a pause: no call of anybody starts before.';
COMMENT ON COLUMN account_health.paused_at IS 'When that pause was asked for: by its length admission decides whether to wait or to use another account.';
COMMENT ON COLUMN account_health.pause_reason IS 'Why, in the provider''s words.';
COMMENT ON COLUMN account_health.factor IS 'Part of per_second in use: lowered by throttle answers, raised step by step.';
COMMENT ON COLUMN account_health.factor_at IS 'When factor last changed.';
COMMENT ON COLUMN account_health.share IS 'Part of its weight it gets among accounts of its order: lowered while it fails or is slow.';
COMMENT ON COLUMN account_health.breaker IS '0 closed, 1 open: nothing is sent but a probe after open_until.';
COMMENT ON COLUMN account_health.open_until IS 'When an open breaker lets the next probe through.';
COMMENT ON COLUMN account_health.trips IS 'Times the breaker opened in a row; doubles the time to the next probe.';
COMMENT ON COLUMN account_health.good IS 'Calls that worked lately, halved every ten seconds.';
COMMENT ON COLUMN account_health.bad IS 'Calls that failed lately for a reason that may be the account''s, halved every ten seconds.';
COMMENT ON COLUMN account_health.latency_ms IS 'Mean time of a call lately.';
COMMENT ON COLUMN account_health.usual_ms IS 'What that is in good times.';
COMMENT ON COLUMN account_health.judged_at IS 'When the numbers were last brought up to date.';
