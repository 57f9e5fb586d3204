-- In mode `first` a channel that could tell and says nothing gives way to the next after `channel_wait` (rule 7), and what finds no usable
-- account does not wait for one for good where something else could be tried (rule 8).

COMMENT ON COLUMN job.attempt IS 'The attempt its deliveries are at: a delivery belongs to the one job with its attempt number. Of an escalate job: 1, the tier''s wait is over; 16 + channel, that channel''s.';

CREATE FUNCTION channel_wait(p_tiers jsonb, p_steps smallint[], p_waits bigint[], step integer) RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT least(coalesce((p_tiers -> coalesce(p_steps[step] >> 6, step) - 1 ->> 'channel_wait')::interval, interval '2 minutes'),
                 nullif(p_waits[step], 0) * interval '1 ms')
$$;
COMMENT ON FUNCTION channel_wait IS 'Of a step: as given, 2 minutes else, no longer than its wait.';

-- How long a delivery waits for a usable account; NULL: until the plan expires, since nothing else could be tried.
CREATE FUNCTION account_patience(p_tiers jsonb, p_slots smallint[], p_first smallint[], p_steps smallint[], p_untils smallint[], p_waits bigint[], slot smallint)
RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN slot >> 4 > 127 THEN NULL
                WHEN next_in_tier(p_slots, p_first, slot) IS NOT NULL THEN channel_wait(p_tiers, p_steps, p_waits, slot >> 4)
                WHEN NOT EXISTS (SELECT FROM generate_series((slot >> 4) + 1, cardinality(p_untils)) AS s
                                  WHERE p_steps IS NULL OR p_steps[s] >> 6 <> p_steps[slot >> 4] >> 6) THEN NULL
                WHEN slot >> 4 = ANY(p_first) OR p_waits[slot >> 4] = 0 THEN channel_wait(p_tiers, p_steps, p_waits, slot >> 4)
                ELSE p_waits[slot >> 4] * interval '1 ms' END
$$;
COMMENT ON FUNCTION account_patience IS 'Rule 8. Counted from when the delivery was due.';

-- As before, of the steps of ladders only. News that a message of an earlier round arrived is told to the round its reader is at; silence of
-- a channel that could tell starts a wait of its own.
CREATE OR REPLACE FUNCTION ladders_moved(plans bigint[], slots smallint[], nos integer[], statuses smallint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
    p record;
    later integer;
    wait bigint;
BEGIN
    FOR g IN SELECT m.plan_id, m.slot >> 4 AS tier, array_agg(DISTINCT m.no) AS nos,
                    array_agg(DISTINCT m.no) FILTER (WHERE m.status IN (3, 4, 6)) AS out, array_agg(DISTINCT m.no) FILTER (WHERE m.status = 4) AS arrived,
                    array_agg(m.slot) FILTER (WHERE m.status = 3 AND channel_reports(m.slot & 15) = 2) AS quiet_slots, array_agg(m.no) FILTER (WHERE m.status = 3 AND channel_reports(m.slot & 15) = 2) AS quiet,
                    array_agg(m.slot) FILTER (WHERE m.status = 0) AS again_slots, array_agg(m.no) FILTER (WHERE m.status = 0) AS again
               FROM unnest(plans, slots, nos, statuses) AS m(plan_id, slot, no, status)
              WHERE m.slot >> 4 < 128
              GROUP BY m.plan_id, m.slot >> 4 ORDER BY m.plan_id, m.slot >> 4
    LOOP
        SELECT x.status, x.untils, x.waits, x.steps, x.tenant_id, x.lane, x.slots, x.first_tiers, channel_wait(x.tiers, x.steps, x.waits, g.tier) AS channel_wait INTO p FROM plan x WHERE x.id = g.plan_id;
        CONTINUE WHEN p.untils IS NULL;
        -- A call that failed while its reader read: it is not tried again.
        IF g.again IS NOT NULL THEN
            UPDATE delivery d SET status = 7, reason = 'already_read', updated_at = now()
              FROM (SELECT a.slot, a.no FROM unnest(g.again_slots, g.again) AS a(slot, no)
                      JOIN recipient r ON r.plan_id = g.plan_id AND r.no = a.no WHERE r.result IN (1, 2)) AS a
             WHERE d.plan_id = g.plan_id AND d.slot = a.slot AND d.no = a.no AND d.status = 0;
        END IF;
        PERFORM step_ladders(g.plan_id, g.tier, g.nos, false, false);
        CONTINUE WHEN g.out IS NULL;
        IF p.steps IS NOT NULL AND g.arrived IS NOT NULL THEN
            FOR later IN SELECT s FROM generate_series(g.tier + 1, cardinality(p.steps)) AS s WHERE p.steps[s] >> 6 = p.steps[g.tier] >> 6 LOOP
                PERFORM step_ladders(g.plan_id, later, g.arrived, false, false);
            END LOOP;
        END IF;
        wait := p.waits[g.tier];
        IF wait = 0 THEN
            PERFORM step_ladders(g.plan_id, g.tier, g.out, true, false);
            CONTINUE;
        END IF;
        -- Of a plan that was ended meanwhile nothing is waited for, and nobody would come to take the wait away.
        CONTINUE WHEN p.status > 6;
        -- The first that went out starts the wait (rule 5).
        WITH waits AS (
            UPDATE recipient r SET next_at = now() + wait * interval '1 ms'
              FROM unnest(g.out) AS w(no)
             WHERE r.plan_id = g.plan_id AND r.no = w.no AND r.tier = g.tier AND r.result IS NULL AND r.next_at IS NULL
            RETURNING r.no
        )
        INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, members, due_at)
        SELECT nextval('job_id'), 2, g.plan_id, p.tenant_id, (g.tier * 16)::smallint, p.lane, count(*)::integer, min(w.no), max(w.no),
               CASE WHEN max(w.no) - min(w.no) + 1 <> count(*) THEN array_agg(w.no ORDER BY w.no) END, now() + wait * interval '1 ms'
          FROM waits w GROUP BY (w.no - 1) / 1000;
        -- Who says nothing though they could tell gives way to the next channel (rule 7).
        CONTINUE WHEN g.quiet IS NULL OR g.tier <> ALL(p.first_tiers) OR p.untils[g.tier] = 1;
        INSERT INTO job (id, kind, plan_id, tenant_id, slot, attempt, lane, units, lo, hi, members, due_at)
        SELECT nextval('job_id'), 2, g.plan_id, p.tenant_id, (g.tier * 16)::smallint, (16 + (q.slot & 15))::smallint, p.lane, count(*)::integer,
               min(q.no), max(q.no), CASE WHEN max(q.no) - min(q.no) + 1 <> count(*) THEN array_agg(q.no ORDER BY q.no) END, now() + p.channel_wait
          FROM unnest(g.quiet_slots, g.quiet) AS q(slot, no)
          JOIN recipient r ON r.plan_id = g.plan_id AND r.no = q.no AND r.tier = g.tier AND r.result IS NULL
         WHERE next_in_tier(p.slots, p.first_tiers, q.slot) IS NOT NULL
         GROUP BY q.slot, (q.no - 1) / 1000;
    END LOOP;
END $$;

-- As before; the plan may say how late is too late, and waits of channels end too.
CREATE OR REPLACE FUNCTION fire_ladders(jobs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
BEGIN
    PERFORM FROM (SELECT j.plan_id, j.slot >> 4 AS tier, w.no FROM job j
                   CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                   WHERE j.id = ANY(jobs)) AS x
       JOIN recipient r ON r.plan_id = x.plan_id AND r.no = x.no
      WHERE r.tier = x.tier AND r.result IS NULL
      ORDER BY r.plan_id, r.no FOR NO KEY UPDATE OF r;
    FOR g IN SELECT x.plan_id, x.tier, x.channel, x.late, array_agg(x.no ORDER BY x.no) AS nos
               FROM (SELECT j.plan_id, j.slot >> 4 AS tier, greatest(j.attempt - 16, 0) AS channel, j.due_at < now() - p.late AS late, w.no FROM job j
                      CROSS JOIN LATERAL (SELECT max_late(x.lane, x.terms) AS late FROM plan x WHERE x.id = j.plan_id OFFSET 0) AS p
                      CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                      WHERE j.id = ANY(jobs)) AS x
              GROUP BY x.plan_id, x.tier, x.channel, x.late ORDER BY x.plan_id, x.tier, x.channel
    LOOP
        IF g.channel = 0 THEN
            PERFORM step_ladders(g.plan_id, g.tier, g.nos, true, g.late);
        ELSIF NOT g.late THEN
            PERFORM open_next_channels(array_agg(g.plan_id), array_agg(d.slot), array_agg(d.no))
               FROM unnest(g.nos) AS w(no)
              CROSS JOIN LATERAL (SELECT d.slot, d.no FROM delivery d
                                   WHERE d.plan_id = g.plan_id AND d.slot = g.tier * 16 + g.channel AND d.no = w.no AND d.status = 3 OFFSET 0) AS d
             HAVING count(*) > 0;
        END IF;
    END LOOP;
    DELETE FROM job WHERE id = ANY(jobs);
END $$;

-- Fails what has waited too long for an account, a chunk: how many jobs. A channel of a tenant has none while every one it has is switched
-- off, deleted, down, or out of use by its breaker. Waiting jobs are found by job_flow; published ones whose pointer came back without
-- effect are the oldest of their queue, so the oldest are enough to look at.
CREATE FUNCTION fail_without_account() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    stuck bigint[];
BEGIN
    WITH without AS MATERIALIZED (
        SELECT a.tenant_id, a.channel,
               max(CASE WHEN a.deleted_at IS NOT NULL THEN a.deleted_at WHEN NOT a.enabled THEN a.updated_at WHEN a.state = 2 THEN a.since ELSE h.judged_at END) AS since
          FROM account a LEFT JOIN account_health h ON h.account_id = a.id
         GROUP BY a.tenant_id, a.channel
        HAVING bool_and(a.deleted_at IS NOT NULL OR NOT a.enabled OR a.state = 2 OR coalesce(h.breaker, 0) = 1)
    ), waiting AS (
        SELECT j.id, j.plan_id, j.slot, greatest(j.due_at, w.since) AS since
          FROM without w CROSS JOIN generate_series(0, 2) AS l(lane)
         CROSS JOIN LATERAL (SELECT j.id, j.plan_id, j.slot, j.due_at FROM job j
                              WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = l.lane AND (j.slot & 15::smallint) = w.channel AND j.tenant_id = w.tenant_id
                                AND j.due_at < now() LIMIT 500) AS j
        UNION ALL
        SELECT j.id, j.plan_id, j.slot, greatest(j.due_at, w.since)
          FROM (SELECT DISTINCT w.channel FROM without w) AS c CROSS JOIN generate_series(0, 2) AS l(lane)
         CROSS JOIN LATERAL (SELECT j.id, j.plan_id, j.slot, j.due_at, j.tenant_id, j.state FROM job j
                              WHERE j.kind = 1 AND j.lane = l.lane AND (j.slot & 15::smallint) = c.channel AND j.due_at < now()
                              ORDER BY j.due_at LIMIT 1000) AS j
          JOIN without w ON w.tenant_id = j.tenant_id AND w.channel = c.channel
         WHERE j.state = 1
    ), late AS (
        SELECT x.id FROM waiting x
         CROSS JOIN LATERAL (SELECT account_patience(p.tiers, p.slots, p.first_tiers, p.steps, p.untils, p.waits, x.slot) AS patience
                               FROM plan p WHERE p.id = x.plan_id AND p.status + 0 = 4 AND p.expires_at > now()
                                AND (p.untils IS NOT NULL OR p.first_tiers <> '{}') OFFSET 0) AS p
         WHERE x.since + p.patience <= now() LIMIT 200
    )
    SELECT array_agg(j.id) INTO stuck
      FROM (SELECT j.id FROM job j WHERE j.id IN (SELECT l.id FROM late l) AND j.state + 0 < 2 AND j.due_at < now() ORDER BY j.id FOR UPDATE SKIP LOCKED) AS j;
    IF stuck IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE delivery d SET status = 5, reason = 'no_account', updated_at = now()
      FROM (SELECT d.plan_id, d.slot, d.no, j.attempt FROM job j
             CROSS JOIN LATERAL (SELECT d.plan_id, d.slot, d.no FROM delivery d
                                  WHERE d.plan_id = j.plan_id AND d.slot = j.slot AND d.no BETWEEN j.lo AND j.hi AND (j.members IS NULL OR d.no = ANY(j.members))
                                    AND d.status = 0 AND d.attempt = j.attempt OFFSET 0) AS d
             WHERE j.id = ANY(stuck)) AS x
     WHERE d.plan_id = x.plan_id AND d.slot = x.slot AND d.no = x.no AND d.status = 0 AND d.attempt = x.attempt;
    DELETE FROM job WHERE id = ANY(stuck);
    RETURN cardinality(stuck);
END $$;
