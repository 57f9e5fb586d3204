-- The ladder: several tiers a plan, each recipient on their own way through them. Rules by number: docs/ESCALATION.md.
--
-- A ladder moves where its deliveries are counted, in the transaction of whoever moved them, as the channels of mode `first` do: no
-- writer can forget it, a crash leaves both or neither. What waits has a job (kind 2) a settled call, so that a million ladders cost in
-- proportion to what is due. Plans of one tier that waits for nothing have no ladder (untils is NULL) and take the paths they took.

ALTER TABLE plan
    ADD COLUMN untils smallint[],
    ADD COLUMN waits bigint[],
    ADD COLUMN n_waiting integer NOT NULL DEFAULT 0 CHECK (n_waiting >= 0),
    ADD COLUMN resumed_at timestamptz;
COMMENT ON COLUMN plan.untils IS 'By tier, what ends a ladder: 1 sent, 2 delivered, 3 read, 4 acknowledged (domain::ladder::Proof). NULL: no ladders, one tier that waits for nothing.';
COMMENT ON COLUMN plan.waits IS 'By tier, milliseconds from the first delivery that went out to the next tier. NULL with untils.';
COMMENT ON COLUMN plan.n_waiting IS 'Ladders still open; of a plan that was ended, those it cut off.';
COMMENT ON COLUMN plan.resumed_at IS 'When it was last resumed: no step counts as late for what a pause took.';

ALTER TABLE recipient
    ADD COLUMN result smallint CHECK (result BETWEEN 1 AND 12),
    ADD COLUMN next_at timestamptz;
COMMENT ON COLUMN recipient.result IS 'How the ladder ended: 1 acknowledged 2 read 3 delivered 4 sent 5 exhausted 6 unreachable 7 not_needed 8 recalled 9 stopped 10 expired 11 overdue 12 frozen (domain::ladder::LadderResult). NULL: it is open, was cut off with its plan, or there is none.';
COMMENT ON COLUMN recipient.next_at IS 'When the next tier is due; NULL while nothing of this tier has gone out. Told to readers only: the job of kind 2 decides.';

-- What a channel's providers report of a message they took: 0 nothing, 1 failures only, 2 both ways.
CREATE FUNCTION channel_reports(channel integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY[1, 2, 2, 0, 2, 0, 0, 2, 0, 0])[channel]
$$;
COMMENT ON FUNCTION channel_reports IS 'Same table as domain::ladder::Reports::of.';

-- How late a step may fire: rule 16.
CREATE FUNCTION max_late(lane integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN lane = 0 THEN interval '1 hour' ELSE interval '12 hours' END
$$;
COMMENT ON FUNCTION max_late IS 'Same as domain::ladder::max_late.';

-- What becomes of one ladder: NULL it stays, 0 the next tier, else how it ends.
-- until, is_last: of its tier. proved: 4 answered, 3 read, 0 neither. best: of the tier's deliveries, 2 one is reported as arrived, 1 one is
-- sent, 0 neither; counts_as: the same by rule 3, where silence may count as arrived. standing: one is open, went out or may have.
-- reached: anything went out, failed or is unknown in any tier, so it is exhausted and not unreachable. due: the wait is over.
-- late: it is too late to go on (rule 16). made: deliveries the tier has.
CREATE FUNCTION ladder_verdict(until integer, is_last boolean, proved integer, best integer, counts_as integer, made boolean, standing boolean,
                               reached boolean, due boolean, late boolean) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN greatest(proved, counts_as) >= until
                THEN CASE greatest(proved, best) WHEN 4 THEN 1 WHEN 3 THEN 2 WHEN 2 THEN 3 ELSE 4 END
                WHEN NOT (due OR made AND NOT standing) THEN NULL
                WHEN late THEN 11
                WHEN NOT is_last THEN 0
                WHEN reached THEN 5
                ELSE 6 END
$$;
COMMENT ON FUNCTION ladder_verdict IS 'Same rule as domain::ladder::verdict.';

-- Deliveries of recipients in slots (parallel arrays) with the jobs of those that can be sent. Who cannot be reached there is suppressed.
CREATE FUNCTION open_deliveries(plans bigint[], slots smallint[], nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
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
    )
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, members, due_at)
    SELECT nextval('job_id'), 1, m.plan_id, p.tenant_id, m.slot, p.lane, m.units, m.lo, m.hi,
           CASE WHEN m.hi - m.lo + 1 <> m.units THEN m.nos END, now()
      FROM (SELECT plan_id, slot, count(*)::integer AS units, min(no) AS lo, max(no) AS hi, array_agg(no ORDER BY no) AS nos
              FROM made WHERE status = 0 GROUP BY plan_id, slot, (no - 1) / job_units(slot & 15)) AS m
     CROSS JOIN LATERAL (SELECT p.tenant_id, p.lane FROM plan p WHERE p.id = m.plan_id OFFSET 0) AS p;
END $$;

-- As before; of a plan with ladders only for those whose ladder is open and still at that tier.
CREATE OR REPLACE FUNCTION open_next_channels(plans bigint[], slots smallint[], nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next_plans bigint[];
    next_slots smallint[];
    next_nos integer[];
BEGIN
    -- What is sent again after its next channel was opened (a dead letter redriven) opens that channel no second time.
    SELECT array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no) INTO next_plans, next_slots, next_nos
      FROM (SELECT e.plan_id, e.no, p.slot
              FROM unnest(plans, slots, nos) AS e(plan_id, slot, no)
             CROSS JOIN LATERAL (SELECT next_in_tier(p.slots, p.first_tiers, e.slot) AS slot, p.untils IS NOT NULL AS ladder FROM plan p
                                  WHERE p.id = e.plan_id AND p.status + 0 IN (4, 5, 6) AND p.expires_at > now() OFFSET 0) AS p
             WHERE p.slot IS NOT NULL
               AND (NOT p.ladder OR EXISTS (SELECT FROM recipient r WHERE r.plan_id = e.plan_id AND r.no = e.no
                                                AND r.tier = e.slot >> 4 AND r.result IS NULL))) AS n
     WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.plan_id = n.plan_id AND d.slot = n.slot AND d.no = n.no);
    IF next_plans IS NULL THEN
        RETURN;
    END IF;
    UPDATE plan p SET status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = NULL
     WHERE p.id = ANY(next_plans) AND p.finished_at IS NOT NULL;
    PERFORM open_deliveries(next_plans, next_slots, next_nos);
END $$;

-- Ends ladders of a plan: parallel arrays. Who is at their end already stays as they are. The caller holds these recipients.
CREATE FUNCTION end_ladders(the_plan bigint, nos integer[], results integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ended integer;
BEGIN
    UPDATE recipient r SET result = e.result, next_at = NULL
      FROM unnest(nos, results) AS e(no, result)
     WHERE r.plan_id = the_plan AND r.no = e.no AND r.result IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended > 0 THEN
        UPDATE plan p
           SET n_waiting = p.n_waiting - ended,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open = 0 AND p.n_waiting = ended THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open = 0 AND p.n_waiting = ended THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = the_plan;
    END IF;
END $$;

-- Decides about ladders of a plan that are at a tier, and moves them. The caller holds these recipients, so nobody else moves them.
CREATE FUNCTION step_ladders(the_plan bigint, the_tier integer, nos integer[], due boolean, late boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    d record;
BEGIN
    SELECT x.slots, x.first_tiers, x.untils, x.status, x.expires_at > now() AS lives INTO p FROM plan x WHERE x.id = the_plan;
    IF p.untils IS NULL OR p.status NOT IN (3, 4, 5) OR NOT p.lives THEN
        RETURN;
    END IF;
    SELECT array_agg(v.no ORDER BY v.no) FILTER (WHERE v.verdict = 0) AS on_their_way,
           array_agg(v.no) FILTER (WHERE v.verdict > 0) AS ended, array_agg(v.verdict) FILTER (WHERE v.verdict > 0) AS results
      INTO d
      FROM (SELECT r.no, ladder_verdict(p.untils[the_tier], the_tier = cardinality(p.untils), r.proved, o.best, o.counts_as, o.made, o.standing,
                                        r.reached, step_ladders.due,
                                        o.late OR (step_ladders.late AND the_tier < cardinality(p.untils))) AS verdict
              FROM unnest(nos) AS w(no)
             CROSS JOIN LATERAL (SELECT r.no, CASE WHEN r.answered_at IS NOT NULL THEN 4 WHEN r.read_at IS NOT NULL THEN 3 ELSE 0 END AS proved,
                                        r.best NOT IN (0, 7) AS reached
                                   FROM recipient r
                                  WHERE r.plan_id = the_plan AND r.no = w.no AND r.tier = the_tier AND r.result IS NULL OFFSET 0) AS r
             CROSS JOIN LATERAL (
                   SELECT coalesce(max(CASE x.status WHEN 4 THEN 2 WHEN 3 THEN 1 ELSE 0 END), 0) AS best,
                          coalesce(max(CASE WHEN x.status = 4 THEN 2 WHEN x.status <> 3 THEN 0 WHEN channel_reports(s.slot & 15) = 0 THEN 2
                                            WHEN channel_reports(s.slot & 15) = 1 AND step_ladders.due THEN 2 ELSE 1 END), 0) AS counts_as,
                          count(*) > 0 AS made, coalesce(bool_or(x.status IN (0, 3, 4, 6)), false) AS standing,
                          coalesce(bool_or(x.status = 7 AND x.reason = 'overdue'), false) AS late
                     FROM unnest(p.slots) AS s(slot)
                    CROSS JOIN LATERAL (SELECT x.status, x.reason FROM delivery x
                                         WHERE x.plan_id = the_plan AND x.slot = s.slot AND x.no = w.no OFFSET 0) AS x
                    WHERE s.slot >> 4 = the_tier) AS o) AS v;
    IF d.on_their_way IS NOT NULL THEN
        PERFORM enter_tier(the_plan, the_tier + 1, d.on_their_way);
    END IF;
    IF d.ended IS NOT NULL THEN
        PERFORM end_ladders(the_plan, d.ended, d.results);
    END IF;
END $$;

-- Takes ladders from the tier before into this one: whose `until` holds already ends, to the others it is sent (rule 2).
CREATE FUNCTION enter_tier(the_plan bigint, the_tier integer, nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    d record;
    openings smallint[];
BEGIN
    SELECT x.slots, x.first_tiers, x.untils INTO p FROM plan x WHERE x.id = the_plan;
    WITH entered AS (
        UPDATE recipient r SET tier = the_tier, next_at = NULL
          FROM unnest(nos) AS w(no)
         WHERE r.plan_id = the_plan AND r.no = w.no AND r.tier = the_tier - 1 AND r.result IS NULL
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
    IF (p.first_tiers >> (the_tier - 1)) & 1 = 1 THEN
        openings := openings[1:1];
    END IF;
    PERFORM open_deliveries(array_agg(the_plan), array_agg(s.slot), array_agg(w.no)) FROM unnest(openings) AS s(slot) CROSS JOIN unnest(d.fresh) AS w(no);
END $$;

-- What moved deliveries mean for ladders: parallel arrays. The tally has locked these recipients and counted.
CREATE FUNCTION ladders_moved(plans bigint[], slots smallint[], nos integer[], statuses smallint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
    p record;
    wait bigint;
    begun integer[];
BEGIN
    FOR g IN SELECT m.plan_id, m.slot >> 4 AS tier, array_agg(DISTINCT m.no) AS nos,
                    array_agg(DISTINCT m.no) FILTER (WHERE m.status IN (3, 4, 6)) AS out,
                    array_agg(m.slot) FILTER (WHERE m.status = 0) AS again_slots, array_agg(m.no) FILTER (WHERE m.status = 0) AS again
               FROM unnest(plans, slots, nos, statuses) AS m(plan_id, slot, no, status)
              GROUP BY m.plan_id, m.slot >> 4 ORDER BY m.plan_id, m.slot >> 4
    LOOP
        SELECT x.untils, x.waits, x.tenant_id, x.lane INTO p FROM plan x WHERE x.id = g.plan_id;
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
        wait := p.waits[g.tier];
        IF wait = 0 THEN
            PERFORM step_ladders(g.plan_id, g.tier, g.out, true, false);
            CONTINUE;
        END IF;
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
    END LOOP;
END $$;

-- Fires due steps, whose jobs the caller has locked, and deletes the jobs. All recipients are locked first, in order, then plan after plan.
CREATE FUNCTION fire_ladders(jobs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
BEGIN
    PERFORM FROM (SELECT j.plan_id, j.slot >> 4 AS tier, w.no FROM job j
                   CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                   WHERE j.id = ANY(jobs)) AS x
       JOIN recipient r ON r.plan_id = x.plan_id AND r.no = x.no
      WHERE r.tier = x.tier AND r.result IS NULL
      ORDER BY r.plan_id, r.no FOR NO KEY UPDATE OF r;
    FOR g IN SELECT x.plan_id, x.tier, x.late, array_agg(x.no ORDER BY x.no) AS nos
               FROM (SELECT j.plan_id, j.slot >> 4 AS tier, j.due_at < now() - max_late(j.lane) AS late, w.no FROM job j
                      CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                      WHERE j.id = ANY(jobs)) AS x
              GROUP BY x.plan_id, x.tier, x.late ORDER BY x.plan_id, x.tier
    LOOP
        PERFORM step_ladders(g.plan_id, g.tier, g.nos, true, g.late);
    END LOOP;
    DELETE FROM job WHERE id = ANY(jobs);
END $$;

-- A read or an answer ends the ladder that waited for it, in its own transaction (rule 1). Its writer holds the row.
CREATE FUNCTION recipient_proved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM step_ladders(new.plan_id, new.tier, ARRAY[new.no], false, false);
    RETURN NULL;
END $$;
CREATE TRIGGER recipient_proved AFTER UPDATE OF read_at, answered_at ON recipient FOR EACH ROW
WHEN (new.result IS NULL AND (old.read_at IS DISTINCT FROM new.read_at OR old.answered_at IS DISTINCT FROM new.answered_at))
EXECUTE FUNCTION recipient_proved();

-- Waits that nobody needs any more. Those being fired go by themselves.
CREATE FUNCTION forget_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM job WHERE id IN (SELECT j.id FROM job j WHERE j.plan_id = new.id AND j.kind + 0 = 2 FOR UPDATE SKIP LOCKED);
    RETURN NULL;
END $$;
CREATE TRIGGER plan_forget_waits AFTER UPDATE OF status ON plan FOR EACH ROW
WHEN (new.status = 6 AND old.status <> 6 AND new.untils IS NOT NULL) EXECUTE FUNCTION forget_waits();

-- As before; a plan with ladders is finished when every one is at its end, and what moved is told to them. The row of a plan was
-- read here already: plans without ladders pay nothing.
CREATE OR REPLACE FUNCTION tally_plans(plans bigint[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH change AS (
        SELECT c.plan_id, sum(c.n) AS total,
               coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               coalesce(sum(c.n) FILTER (WHERE c.status = 3), 0) AS sent,
               coalesce(sum(c.n) FILTER (WHERE c.status = 4), 0) AS delivered,
               coalesce(sum(c.n) FILTER (WHERE c.status = 5), 0) AS failed,
               coalesce(sum(c.n) FILTER (WHERE c.status = 6), 0) AS unknown,
               coalesce(sum(c.n) FILTER (WHERE c.status = 7), 0) AS suppressed,
               coalesce(sum(c.n) FILTER (WHERE c.status = 8), 0) AS cancelled,
               coalesce(sum(c.n) FILTER (WHERE c.status = 9), 0) AS expired
          FROM unnest(plans, statuses, deltas) AS c(plan_id, status, n)
         GROUP BY c.plan_id
    ), locked AS (
        SELECT p.id, c.* FROM change c JOIN plan p ON p.id = c.plan_id ORDER BY p.id FOR NO KEY UPDATE OF p
    )
    UPDATE plan p
       SET n_deliveries = p.n_deliveries + l.total, n_open = p.n_open + l.open, n_sent = p.n_sent + l.sent,
           n_delivered = p.n_delivered + l.delivered, n_failed = p.n_failed + l.failed,
           n_unknown = p.n_unknown + l.unknown, n_suppressed = p.n_suppressed + l.suppressed,
           n_cancelled = p.n_cancelled + l.cancelled, n_expired = p.n_expired + l.expired,
           status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + l.open = 0 AND p.n_waiting = 0 THEN 6 ELSE p.status END,
           finished_at = CASE WHEN p.expanded AND p.n_open + l.open = 0 AND (p.n_waiting = 0 OR p.status > 6) THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
      FROM locked l
     WHERE p.id = l.id;
END $$;

CREATE OR REPLACE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    several boolean;
    first boolean;
    ladder boolean;
    -- As an array: joined to plan, the transition table could end up on the inside of a nested loop over all plans.
    touched bigint[];
    uncounted bigint[];
BEGIN
    SELECT min(plan_id) AS lo, max(plan_id) AS hi, count(*)::integer AS total,
           count(*) FILTER (WHERE status = 0)::integer AS open, count(*) FILTER (WHERE status = 7)::integer AS suppressed
      INTO c FROM new_rows;
    IF c.total = 0 THEN
        RETURN NULL;
    END IF;
    touched := CASE WHEN c.lo = c.hi THEN ARRAY[c.lo] ELSE ARRAY(SELECT DISTINCT n.plan_id FROM new_rows n) END;
    SELECT array_agg(p.id), bool_or(cardinality(p.slots) > 1 OR p.untils IS NOT NULL), bool_or(p.first_tiers <> 0), bool_or(p.untils IS NOT NULL)
      INTO uncounted, several, first, ladder
      FROM plan p
     WHERE p.id = ANY(touched)
       AND NOT (cardinality(p.slots) = 1 AND p.n_deliveries = p.n_recipients);
    IF uncounted IS NULL THEN
        RETURN NULL;
    END IF;
    -- Only an acceptance mixes both, of 128 plans at most; a long list would make the filter below quadratic.
    IF cardinality(uncounted) = cardinality(touched) THEN
        uncounted := NULL;
    END IF;
    IF c.lo = c.hi AND c.total = c.open + c.suppressed THEN
        IF several THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1)) FROM new_rows n;
        END IF;
        UPDATE plan p
           SET n_deliveries = p.n_deliveries + c.total, n_open = p.n_open + c.open, n_suppressed = p.n_suppressed + c.suppressed,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + c.open = 0 AND p.n_waiting = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open + c.open = 0 AND (p.n_waiting = 0 OR p.status > 6) THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = c.lo;
    ELSE
        IF several THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1))
               FROM new_rows n WHERE (uncounted IS NULL OR n.plan_id = ANY(uncounted)) AND (SELECT cardinality(p.slots) > 1 OR p.untils IS NOT NULL FROM plan p WHERE p.id = n.plan_id)
             HAVING count(*) > 0;
        END IF;
        PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
           FROM (SELECT plan_id, status, count(*)::integer AS n FROM new_rows WHERE uncounted IS NULL OR plan_id = ANY(uncounted) GROUP BY plan_id, status) AS g;
    END IF;
    IF first AND c.suppressed > 0 THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no)) FROM new_rows n WHERE n.status = 7;
    END IF;
    IF ladder AND c.suppressed > 0 THEN
        PERFORM ladders_moved(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no), array_agg(n.status)) FROM new_rows n WHERE n.status = 7;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    several boolean;
    first boolean;
    ladder boolean;
    touched bigint[];
    totals integer[];
BEGIN
    SELECT min(plan_id) AS lo, max(plan_id) AS hi, count(*)::integer AS total, min(status) AS status, max(status) AS last INTO c FROM new_rows;
    IF c.total IS NULL OR c.total = 0 THEN
        RETURN NULL;
    END IF;
    IF c.lo = c.hi THEN
        touched := ARRAY[c.lo];
        totals := ARRAY[c.total];
    ELSE
        SELECT array_agg(g.plan_id ORDER BY g.plan_id), array_agg(g.n ORDER BY g.plan_id) INTO touched, totals
          FROM (SELECT n.plan_id, count(*)::integer AS n FROM new_rows n GROUP BY n.plan_id) AS g;
    END IF;
    SELECT coalesce(bool_or(cardinality(p.slots) > 1 OR p.untils IS NOT NULL), false), coalesce(bool_or(p.first_tiers <> 0), false),
           coalesce(bool_or(p.untils IS NOT NULL), false)
      INTO several, first, ladder
      FROM plan p WHERE p.id = ANY(touched);
    -- All sent at the first go: the rule. Whatever else may happen to deliveries goes the general way.
    IF c.status = 3 AND c.last = 3 AND (c.lo = c.hi OR NOT several) AND NOT EXISTS (SELECT FROM old_rows WHERE status <> 0) THEN
        IF several THEN
            PERFORM tally_recipients(array_agg(g.plan_id), array_agg(g.no), array_agg(g.status), array_agg(g.n))
               FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS g;
        END IF;
        UPDATE plan p
           SET n_open = p.n_open - t.total, n_sent = p.n_sent + t.total,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open - t.total = 0 AND p.n_waiting = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open - t.total = 0 AND (p.n_waiting = 0 OR p.status > 6) THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
          FROM unnest(touched, totals) AS t(plan_id, total)
         WHERE p.id = t.plan_id;
        IF ladder THEN
            PERFORM ladders_moved(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no), array_agg(n.status)) FROM new_rows n;
        END IF;
        RETURN NULL;
    END IF;
    IF several THEN
        PERFORM tally_recipients(array_agg(g.plan_id), array_agg(g.no), array_agg(g.status), array_agg(g.n))
           FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows
                 UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS g
          WHERE (SELECT cardinality(p.slots) > 1 OR p.untils IS NOT NULL FROM plan p WHERE p.id = g.plan_id) HAVING count(*) > 0;
    END IF;
    PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
       FROM (SELECT plan_id, status, sum(n)::integer AS n
               FROM (SELECT plan_id, status, 1 AS n FROM new_rows
                     UNION ALL SELECT plan_id, status, -1 FROM old_rows) AS both_rows
              GROUP BY plan_id, status HAVING sum(n) <> 0) AS g
     HAVING count(*) > 0;
    IF first THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no))
           FROM new_rows n WHERE n.status IN (5, 7) AND n.reason IS DISTINCT FROM 'overdue' HAVING count(*) > 0;
    END IF;
    IF ladder THEN
        PERFORM ladders_moved(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no), array_agg(n.status)) FROM new_rows n;
    END IF;
    RETURN NULL;
END $$;
