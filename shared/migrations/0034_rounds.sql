-- Rounds: a tier may come up again, and a whole ladder (rule 9); a tier may be for some priorities only (rule 10). Where that is so a ladder
-- goes through *steps*, a step for each round of each tier. slots, untils, waits, first_tiers, recipient.tier and job.slot count in steps;
-- plan.steps says which tier and round each is. 1..127 are steps of the ladder, 128..255 rounds outside it.

DROP FUNCTION next_in_tier(smallint[], smallint, smallint);
CREATE FUNCTION bits_set(bits smallint) RETURNS smallint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(n::smallint ORDER BY n), '{}') FROM generate_series(1, 15) AS n WHERE (bits::integer >> (n - 1)) & 1 = 1
$$;
ALTER TABLE plan DROP CONSTRAINT plan_first_tiers_check, ALTER COLUMN first_tiers DROP DEFAULT;
ALTER TABLE plan
    ALTER COLUMN first_tiers TYPE smallint[] USING bits_set(first_tiers),
    ALTER COLUMN first_tiers SET DEFAULT '{}',
    ADD COLUMN steps smallint[] CHECK (cardinality(steps) BETWEEN 1 AND 100);
DROP FUNCTION bits_set(smallint);
COMMENT ON COLUMN plan.slots IS 'The slots (step * 16 + channel) of its steps, in order.';
COMMENT ON COLUMN plan.first_tiers IS 'Steps of several channels that use them one after the other, in the order of slots (domain::FirstTiers).';
COMMENT ON COLUMN plan.steps IS 'By step, tier * 64 + round, both from 1 (domain::Steps). NULL: every tier comes up once, steps are tiers.';
COMMENT ON COLUMN plan.untils IS 'By step, what ends a ladder: 1 sent, 2 delivered, 3 read, 4 acknowledged (domain::ladder::Proof). NULL: no ladders, one step that waits for nothing.';
COMMENT ON COLUMN plan.waits IS 'By step, milliseconds from the first delivery that went out to the next step. NULL with untils.';
COMMENT ON COLUMN recipient.tier IS 'The step of the ladder they are at.';
COMMENT ON COLUMN delivery.slot IS 'step * 16 + channel.';
COMMENT ON COLUMN job.slot IS 'step * 16 + channel; of expand and escalate the step * 16.';
COMMENT ON COLUMN attempt.slot IS 'step * 16 + channel.';

CREATE FUNCTION next_in_tier(slots smallint[], first_tiers smallint[], slot smallint) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN slot >> 4 = ANY(first_tiers)
                 AND slots[array_position(slots, slot) + 1] >> 4 = slot >> 4
                THEN slots[array_position(slots, slot) + 1] END
$$;
COMMENT ON FUNCTION next_in_tier IS 'The slot after this one in its step, where the step uses its channels one after the other. Same rule as domain::FirstTiers::next.';

-- Where one ladder goes from a step: NULL, nowhere. A tier that can reach the person by nothing is left with all its rounds (rule 6), and a
-- tier that comes up again is passed over by those who have no address for it, so that nothing is written of what is known already.
CREATE FUNCTION next_step(p_slots smallint[], p_steps smallint[], last integer, at integer, leaves boolean, addresses jsonb, skips jsonb, closed smallint[])
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN at >= last THEN NULL
                WHEN p_steps IS NULL AND closed IS NULL THEN at + 1
                WHEN p_steps IS NULL THEN (SELECT min(s) FROM generate_series(at + 1, last) AS s WHERE s <> ALL(closed))
                ELSE (SELECT min(s) FROM generate_series(at + 1, last) AS s
                       WHERE (closed IS NULL OR p_steps[s] >> 6 <> ALL(closed))
                         AND NOT (leaves AND p_steps[s] >> 6 = p_steps[at] >> 6)
                         AND (p_steps[s] & 63 = 1
                              OR EXISTS (SELECT FROM unnest(p_slots) AS x(slot)
                                          WHERE x.slot >> 4 = s AND addresses ? address_kind(x.slot & 15)
                                            AND NOT coalesce(skips ? address_kind(x.slot & 15), false)))) END
$$;
COMMENT ON FUNCTION next_step IS 'leaves: nothing of the step stands. closed: tiers that are not for the hour it is; NULL: it matters to none.';

DROP FUNCTION enter_tier(bigint, integer, integer[]);

-- Takes ladders from one step into a later one: whose `until` holds already ends, to the others it is sent (rule 2).
CREATE FUNCTION enter_tier(the_plan bigint, from_tier integer, the_tier integer, nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    d record;
    openings smallint[];
BEGIN
    SELECT x.slots, x.first_tiers, x.untils INTO p FROM plan x WHERE x.id = the_plan;
    WITH entered AS (
        UPDATE recipient r SET tier = the_tier, next_at = NULL
          FROM unnest(nos) AS w(no)
         WHERE r.plan_id = the_plan AND r.no = w.no AND r.tier = from_tier AND r.result IS NULL
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

-- As before, but for the type of first_tiers.
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
    SELECT array_agg(p.id), bool_or(cardinality(p.slots) > 1 OR p.untils IS NOT NULL), bool_or(p.first_tiers <> '{}'), bool_or(p.untils IS NOT NULL)
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
    SELECT coalesce(bool_or(cardinality(p.slots) > 1 OR p.untils IS NOT NULL), false), coalesce(bool_or(p.first_tiers <> '{}'), false),
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
