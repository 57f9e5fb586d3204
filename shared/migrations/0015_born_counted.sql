-- Two cheaper counts; they were a quarter of what a message of its own costs the database.
--
-- A plan of one slot that is accepted and expanded at once is written with its counts (sql/accept/at_once.sql): its row is not
-- written again just to count what the same statement has put there. It is known by n_deliveries = n_recipients: a recipient has
-- one delivery in a slot, so no further one can come.
-- Deliveries of several plans of one slot, all sent at the first go, are counted in one plain update. Plans are locked in order of id.

CREATE OR REPLACE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    several boolean;
    first boolean;
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
    SELECT array_agg(p.id), bool_or(cardinality(p.slots) > 1), bool_or(p.first_tiers <> 0) INTO uncounted, several, first
      FROM plan p
     WHERE p.id = ANY(touched) AND NOT (cardinality(p.slots) = 1 AND p.n_deliveries = p.n_recipients);
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
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + c.open = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open + c.open = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = c.lo;
    ELSE
        IF several THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1))
               FROM new_rows n WHERE (uncounted IS NULL OR n.plan_id = ANY(uncounted)) AND (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = n.plan_id)
             HAVING count(*) > 0;
        END IF;
        PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
           FROM (SELECT plan_id, status, count(*)::integer AS n FROM new_rows WHERE uncounted IS NULL OR plan_id = ANY(uncounted) GROUP BY plan_id, status) AS g;
    END IF;
    IF first AND c.suppressed > 0 THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no)) FROM new_rows n WHERE n.status = 7;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    several boolean;
    first boolean;
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
    SELECT coalesce(bool_or(cardinality(p.slots) > 1), false), coalesce(bool_or(p.first_tiers <> 0), false) INTO several, first
      FROM plan p WHERE p.id = ANY(touched);
    -- All sent at the first go: the rule. Whatever else may happen to deliveries goes the general way.
    IF c.status = 3 AND c.last = 3 AND (c.lo = c.hi OR NOT several) AND NOT EXISTS (SELECT FROM old_rows WHERE status <> 0) THEN
        IF several THEN
            PERFORM tally_recipients(array_agg(g.plan_id), array_agg(g.no), array_agg(g.status), array_agg(g.n))
               FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS g;
        END IF;
        UPDATE plan p
           SET n_open = p.n_open - t.total, n_sent = p.n_sent + t.total,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open - t.total = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open - t.total = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
          FROM unnest(touched, totals) AS t(plan_id, total)
         WHERE p.id = t.plan_id;
        RETURN NULL;
    END IF;
    IF several THEN
        PERFORM tally_recipients(array_agg(g.plan_id), array_agg(g.no), array_agg(g.status), array_agg(g.n))
           FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows
                 UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS g
          WHERE (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = g.plan_id) HAVING count(*) > 0;
    END IF;
    PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
       FROM (SELECT plan_id, status, sum(n)::integer AS n
               FROM (SELECT plan_id, status, 1 AS n FROM new_rows
                     UNION ALL SELECT plan_id, status, -1 FROM old_rows) AS both_rows
              GROUP BY plan_id, status HAVING sum(n) <> 0) AS g
     HAVING count(*) > 0;
    IF first THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no))
           FROM new_rows n WHERE n.status IN (5, 7) HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;
