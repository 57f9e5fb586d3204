-- Counting the deliveries of one plan in few plain statements: that is what nearly every accept of one and every settle of a batch
-- does, and the general way was nearly half the cost of accepting a plan of one (0.105 of 0.24 ms, now 0.06).
-- Several plans in one statement go the general way, as before. Recipients are locked before plans, as before.

CREATE OR REPLACE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    -- As an array: joined to plan, the transition table could end up on the inside of a nested loop over all plans.
    touched bigint[];
BEGIN
    SELECT min(plan_id) AS lo, max(plan_id) AS hi, count(*)::integer AS total,
           count(*) FILTER (WHERE status = 0)::integer AS open, count(*) FILTER (WHERE status = 7)::integer AS suppressed
      INTO c FROM new_rows;
    IF c.total = 0 THEN
        RETURN NULL;
    END IF;
    IF c.lo = c.hi AND c.total = c.open + c.suppressed THEN
        IF (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = c.lo) THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1)) FROM new_rows n;
        END IF;
        UPDATE plan p
           SET n_deliveries = p.n_deliveries + c.total, n_open = p.n_open + c.open, n_suppressed = p.n_suppressed + c.suppressed,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + c.open = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open + c.open = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = c.lo;
        RETURN NULL;
    END IF;
    touched := ARRAY(SELECT DISTINCT plan_id FROM new_rows);
    IF EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND cardinality(p.slots) > 1) THEN
        PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1))
           FROM new_rows n WHERE (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = n.plan_id) HAVING count(*) > 0;
    END IF;
    PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
       FROM (SELECT plan_id, status, count(*)::integer AS n FROM new_rows GROUP BY plan_id, status) AS g;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c record;
    touched bigint[];
BEGIN
    SELECT min(plan_id) AS lo, max(plan_id) AS hi, count(*)::integer AS total, min(status) AS status, max(status) AS last INTO c FROM new_rows;
    IF c.total IS NULL OR c.total = 0 THEN
        RETURN NULL;
    END IF;
    -- One plan, all sent at the first go: the rule. Whatever else may happen to deliveries goes the general way.
    IF c.lo = c.hi AND c.status = 3 AND c.last = 3 AND NOT EXISTS (SELECT FROM old_rows WHERE status <> 0) THEN
        IF (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = c.lo) THEN
            PERFORM tally_recipients(array_agg(g.plan_id), array_agg(g.no), array_agg(g.status), array_agg(g.n))
               FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS g;
        END IF;
        UPDATE plan p
           SET n_open = p.n_open - c.total, n_sent = p.n_sent + c.total,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open - c.total = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open - c.total = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = c.lo;
        RETURN NULL;
    END IF;
    touched := ARRAY(SELECT DISTINCT plan_id FROM new_rows);
    IF EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND cardinality(p.slots) > 1) THEN
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
    RETURN NULL;
END $$;
