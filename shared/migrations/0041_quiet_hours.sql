-- Quiet hours (rule 14): a delivery that is due in them waits for their end. Who has none pays a look at an empty index.
--
-- What must wait is taken out of its job into another that is due at the end: where jobs are made (expand, ladders), so that a plan sent
-- at night does not go to the broker and back, and in the claim, whatever way a job came there (a retry, a setting made meanwhile).

ALTER TABLE tenant
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN quiet_spread interval NOT NULL DEFAULT interval '10 minutes' CHECK (quiet_spread >= interval '0');
COMMENT ON COLUMN tenant.time_zone IS 'IANA zone whose clock counts for recipients who have none; set with the quiet hours.';
COMMENT ON COLUMN tenant.quiet_spread IS 'Over how long what waited for the end of quiet hours is spread.';

CREATE TABLE quiet_window (
    tenant_id   bigint NOT NULL,
    channel     smallint NOT NULL CHECK (channel BETWEEN 1 AND 10),
    begins      smallint NOT NULL CHECK (begins BETWEEN 0 AND 1439),
    ends        smallint NOT NULL CHECK (ends BETWEEN 0 AND 1439),
    law         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, channel, begins, ends, law),
    CHECK (begins <> ends)
);
COMMENT ON TABLE  quiet_window IS 'When nothing goes out on a channel, on the recipient''s clock. Written by the tenant and by the operator.';
COMMENT ON COLUMN quiet_window.tenant_id IS 'Whose messages.';
COMMENT ON COLUMN quiet_window.channel IS 'The medium (domain::Channel).';
COMMENT ON COLUMN quiet_window.begins IS 'First minute of the local day.';
COMMENT ON COLUMN quiet_window.ends IS 'First minute after it; before begins: of the next day.';
COMMENT ON COLUMN quiet_window.law IS 'Binds urgent plans and those that ignore quiet hours, too.';

ALTER TABLE job ADD COLUMN rested_until timestamptz;
COMMENT ON COLUMN job.rested_until IS 'End of the quiet hours it waited for; that time makes nothing late (rule 16). NULL: it did not.';

-- Until when a message must wait on a channel, on the clock of a zone (NULL or none that is known here: the tenant's); NULL: it need not.
-- An end that the clock shows twice is the second one, one that it skips comes as much later.
CREATE FUNCTION quiet_until(the_tenant bigint, the_channel integer, own_zone text, since timestamptz, excepted boolean) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text := own_zone;
    local timestamp;
    minute integer;
    longest integer;
    until timestamptz := since;
BEGIN
    IF zone IS NULL THEN
        SELECT t.time_zone INTO zone FROM tenant t WHERE t.id = the_tenant;
    END IF;
    -- At the end of one window another may have begun.
    FOR i IN 1..4 LOOP
        local := until AT TIME ZONE zone;
        minute := extract(hour FROM local) * 60 + extract(minute FROM local);
        SELECT max((q.ends - minute + 1440) % 1440) INTO longest
          FROM quiet_window q
         WHERE q.tenant_id = the_tenant AND q.channel = the_channel AND (q.law OR NOT excepted)
           AND CASE WHEN q.begins < q.ends THEN minute >= q.begins AND minute < q.ends ELSE minute >= q.begins OR minute < q.ends END;
        EXIT WHEN longest IS NULL;
        until := (date_trunc('minute', local) + longest * interval '1 minute') AT TIME ZONE zone;
    END LOOP;
    RETURN CASE WHEN until > since THEN until END;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN CASE WHEN own_zone IS NOT NULL THEN quiet_until(the_tenant, the_channel, NULL, since, excepted) END;
END $$;
COMMENT ON FUNCTION quiet_until IS 'Same rule as domain::quiet::QuietHours::until.';

-- Takes deliveries out of jobs into others that are due when their quiet hours end, spread. Parallel arrays. The caller made these jobs
-- or has claimed them, so nobody else moves them. A job with nothing left goes, unless it is claimed: its worker drops it.
CREATE FUNCTION put_off(jobs bigint[], nos integer[], untils timestamptz[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH late AS MATERIALIZED (
        SELECT w.job, w.until, min(w.no) AS lo, max(w.no) AS hi, count(*)::integer AS units, array_agg(w.no ORDER BY w.no) AS nos
          FROM unnest(jobs, nos, untils) AS w(job, no, until) GROUP BY w.job, w.until
    ), made AS (
        INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, attempt, units, lo, hi, members, due_at, rested_until)
        SELECT nextval('job_id'), 1, j.plan_id, j.tenant_id, j.slot, j.lane, j.attempt, l.units, l.lo, l.hi,
               CASE WHEN l.hi - l.lo + 1 <> l.units THEN l.nos END, l.until + random() * t.spread, l.until
          FROM late l
         CROSS JOIN LATERAL (SELECT j.* FROM job j WHERE j.id = l.job OFFSET 0) AS j
         CROSS JOIN LATERAL (SELECT t.quiet_spread AS spread FROM tenant t WHERE t.id = j.tenant_id OFFSET 0) AS t
    ), rest AS MATERIALIZED (
        SELECT j.id, array_agg(d.no ORDER BY d.no) FILTER (WHERE d.no <> ALL(l.nos)) AS nos
          FROM (SELECT w.job, array_agg(w.no) AS nos FROM unnest(jobs, nos) AS w(job, no) GROUP BY w.job) AS l
         CROSS JOIN LATERAL (SELECT j.* FROM job j WHERE j.id = l.job OFFSET 0) AS j
         CROSS JOIN LATERAL (SELECT d.no FROM delivery d
                              WHERE d.plan_id = j.plan_id AND d.slot = j.slot AND d.no BETWEEN j.lo AND j.hi
                                AND d.status = 0 AND d.attempt = j.attempt AND (j.members IS NULL OR d.no = ANY(j.members)) OFFSET 0) AS d
         GROUP BY j.id
    ), gone AS (
        DELETE FROM job j USING rest r WHERE j.id = r.id AND r.nos IS NULL AND j.state + 0 < 2
    )
    UPDATE job j SET members = coalesce(r.nos, '{}'), units = coalesce(cardinality(r.nos), 0)
      FROM rest r WHERE j.id = r.id AND (r.nos IS NOT NULL OR j.state + 0 = 2);
END $$;
COMMENT ON FUNCTION put_off IS 'Moves deliveries out of jobs into jobs that are due at the end of their quiet hours.';

-- Puts off what of jobs just made falls into quiet hours now.
CREATE FUNCTION keep_quiet(jobs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    SELECT array_agg(q.id) AS ids, array_agg(q.no) AS nos, array_agg(q.until) AS untils INTO found
      FROM (SELECT j.id, d.no, quiet_until(j.tenant_id, j.slot & 15, r.time_zone, now(), p.excepted) AS until
              FROM unnest(jobs) AS w(id)
             CROSS JOIN LATERAL (SELECT j.* FROM job j WHERE j.id = w.id OFFSET 0) AS j
             CROSS JOIN LATERAL (SELECT p.lane = 0 OR coalesce(p.terms ->> 'quiet' = 'ignore', false) AS excepted FROM plan p WHERE p.id = j.plan_id OFFSET 0) AS p
             CROSS JOIN LATERAL (SELECT d.no FROM delivery d
                                  WHERE d.plan_id = j.plan_id AND d.slot = j.slot AND d.no BETWEEN j.lo AND j.hi
                                    AND d.status = 0 AND d.attempt = j.attempt AND (j.members IS NULL OR d.no = ANY(j.members)) OFFSET 0) AS d
             CROSS JOIN LATERAL (SELECT r.time_zone FROM recipient r WHERE r.plan_id = j.plan_id AND r.no = d.no OFFSET 0) AS r
             WHERE EXISTS (SELECT FROM quiet_window q WHERE q.tenant_id = j.tenant_id AND q.channel = j.slot & 15)) AS q
     WHERE q.until IS NOT NULL;
    IF found.ids IS NOT NULL THEN
        PERFORM put_off(found.ids, found.nos, found.untils);
    END IF;
END $$;
COMMENT ON FUNCTION keep_quiet IS 'Puts off what of jobs just made falls into quiet hours.';

-- As before; what falls into quiet hours is due at their end.
CREATE OR REPLACE FUNCTION open_deliveries(plans bigint[], slots smallint[], nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    jobs bigint[];
    quiet boolean;
BEGIN
    WITH made AS (
        INSERT INTO delivery (plan_id, slot, no, status, reason)
        SELECT n.plan_id, n.slot, n.no, CASE WHEN r.skip IS NOT NULL OR r.address IS NULL THEN 7 ELSE 0 END,
               CASE WHEN r.skip IS NOT NULL THEN r.skip WHEN r.address IS NULL THEN 'no_address' END
          FROM unnest(plans, slots, nos) AS n(plan_id, slot, no)
         CROSS JOIN LATERAL (SELECT r.skips ->> address_kind(n.slot & 15) AS skip, r.addresses ->> address_kind(n.slot & 15) AS address
                               FROM recipient r WHERE r.plan_id = n.plan_id AND r.no = n.no OFFSET 0) AS r
         ORDER BY n.plan_id, n.slot, n.no
        RETURNING plan_id, slot, no, status
    ), due AS (
        INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, members, due_at)
        SELECT nextval('job_id'), 1, m.plan_id, p.tenant_id, m.slot, p.lane, m.units, m.lo, m.hi,
               CASE WHEN m.hi - m.lo + 1 <> m.units THEN m.nos END, now()
          FROM (SELECT plan_id, slot, count(*)::integer AS units, min(no) AS lo, max(no) AS hi, array_agg(no ORDER BY no) AS nos
                  FROM made WHERE status = 0 GROUP BY plan_id, slot, (no - 1) / job_units(slot & 15)) AS m
         CROSS JOIN LATERAL (SELECT p.tenant_id, p.lane FROM plan p WHERE p.id = m.plan_id OFFSET 0) AS p
        RETURNING id, (SELECT true FROM quiet_window q WHERE q.tenant_id = job.tenant_id LIMIT 1) IS NOT NULL AS quiet
    )
    SELECT array_agg(d.id), bool_or(d.quiet) INTO jobs, quiet FROM due d;
    IF quiet THEN
        PERFORM keep_quiet(jobs);
    END IF;
END $$;
