-- Ladders are moved by full key, whatever the planner believes.
--
-- Where most plans are of one person it believes that every plan is, until autovacuum has seen the first large one: a minute. Asked for
-- some of a plan's people it then reads the plan's (one row, it thinks) and compares each with all it was asked for: of a million people
-- a thousand steps took more than the 30 s a statement has, and the plan stood still. A subquery with OFFSET 0 hides that the plan is one
-- and the same, so that plan and number can only be looked up together, or forces the look-up itself. Same bodies otherwise.

CREATE OR REPLACE FUNCTION end_ladders(the_plan bigint, nos integer[], results integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ended integer;
BEGIN
    UPDATE recipient r SET result = e.result, next_at = NULL
      FROM (SELECT the_plan AS plan_id, e.no, e.result FROM unnest(nos, results) AS e(no, result) OFFSET 0) AS e
     WHERE r.plan_id = e.plan_id AND r.no = e.no AND r.result IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended > 0 THEN
        UPDATE plan p
           SET n_waiting = p.n_waiting - ended,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open = 0 AND p.n_waiting = ended THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open = 0 AND p.n_waiting = ended THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = the_plan;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION enter_tier(the_plan bigint, from_tier integer, the_tier integer, nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    d record;
    openings smallint[];
BEGIN
    SELECT x.slots, x.first_tiers, x.untils INTO p FROM plan x WHERE x.id = the_plan;
    WITH entered AS (
        UPDATE recipient r SET tier = the_tier, next_at = NULL
          FROM (SELECT the_plan AS plan_id, w.no FROM unnest(nos) AS w(no) OFFSET 0) AS w
         WHERE r.plan_id = w.plan_id AND r.no = w.no AND r.tier = from_tier AND r.result IS NULL
        RETURNING r.no, CASE WHEN r.answered_at IS NOT NULL THEN 4 WHEN r.read_at IS NOT NULL THEN 3 ELSE 0 END AS proved
    )
    SELECT array_agg(e.no ORDER BY e.no) FILTER (WHERE e.proved < p.untils[the_tier]) AS fresh,
           array_agg(e.no ORDER BY e.no) FILTER (WHERE e.proved >= p.untils[the_tier]) AS held,
           array_agg(5 - e.proved ORDER BY e.no) FILTER (WHERE e.proved >= p.untils[the_tier]) AS results
      INTO d FROM entered e;
    IF d.held IS NOT NULL THEN
        PERFORM end_ladders(the_plan, d.held, d.results);
    END IF;
    IF d.fresh IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(s.slot ORDER BY s.place) INTO openings
      FROM unnest(p.slots) WITH ORDINALITY AS s(slot, place) WHERE s.slot >> 4 = the_tier;
    IF the_tier = ANY(p.first_tiers) THEN
        openings := openings[1:1];
    END IF;
    PERFORM open_deliveries(array_agg(the_plan), array_agg(s.slot), array_agg(w.no)) FROM unnest(openings) AS s(slot) CROSS JOIN unnest(d.fresh) AS w(no);
END $$;

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
              FROM (SELECT g.plan_id AS plan_id, a.slot, a.no FROM unnest(g.again_slots, g.again) AS a(slot, no)
                     CROSS JOIN LATERAL (SELECT r.result FROM recipient r WHERE r.plan_id = g.plan_id AND r.no = a.no OFFSET 0) AS r
                     WHERE r.result IN (1, 2) OFFSET 0) AS a
             WHERE d.plan_id = a.plan_id AND d.slot = a.slot AND d.no = a.no AND d.status = 0;
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
              FROM (SELECT g.plan_id AS plan_id, w.no FROM unnest(g.out) AS w(no) OFFSET 0) AS w
             WHERE r.plan_id = w.plan_id AND r.no = w.no AND r.tier = g.tier AND r.result IS NULL AND r.next_at IS NULL
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
         CROSS JOIN LATERAL (SELECT FROM recipient r WHERE r.plan_id = g.plan_id AND r.no = q.no AND r.tier = g.tier AND r.result IS NULL OFFSET 0) AS r
         WHERE next_in_tier(p.slots, p.first_tiers, q.slot) IS NOT NULL
         GROUP BY q.slot, (q.no - 1) / 1000;
    END LOOP;
END $$;
