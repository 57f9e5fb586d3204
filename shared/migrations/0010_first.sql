-- Tier mode `first`: one channel after the other. The next one's delivery and job are made where the deliveries are counted, in the
-- transaction of whoever ended the one before: settle, the members a batch left out, late news, reclaim, a person, acceptance. So no
-- writer can forget it, a crash leaves both or neither, and the key of delivery makes it once and only once.
-- Plans with one channel, or with all at once, take the paths they took.

ALTER TABLE plan ADD COLUMN first_tiers smallint NOT NULL DEFAULT 0 CHECK (first_tiers >= 0);
COMMENT ON COLUMN plan.first_tiers IS 'Tiers of several channels that use them one after the other, in the order of slots: bit tier - 1 (domain::FirstTiers).';

-- Deliveries one job of a channel holds at most.
CREATE FUNCTION job_units(channel integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY[50, 50, 50, 1000, 100, 100, 1000, 100, 50, 1000])[channel]
$$;
COMMENT ON FUNCTION job_units IS 'Same table as domain::Channel::job_units.';

-- The slot that follows `slot` in its tier when that failed or was suppressed; NULL: none does.
CREATE FUNCTION next_in_tier(slots smallint[], first_tiers smallint, slot smallint) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN (first_tiers::integer >> ((slot >> 4) - 1)) & 1 = 1
                 AND slots[array_position(slots, slot) + 1] >> 4 = slot >> 4
                THEN slots[array_position(slots, slot) + 1] END
$$;
COMMENT ON FUNCTION next_in_tier IS 'Same rule as domain::FirstTiers::next for failed and suppressed.';

-- Opens the next channel of recipients whose delivery in a slot failed or was suppressed: parallel arrays. The caller has counted
-- that delivery, and so holds the rows of these recipients and plans: nobody else opens a channel for them meanwhile. A plan that
-- this count finished runs on; one that may not send (ended, expired) opens nothing. Whoever cannot be reached on the next channel
-- either is suppressed there at once, which comes here again for the one after.
CREATE FUNCTION open_next_channels(plans bigint[], slots smallint[], nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next_plans bigint[];
    next_slots smallint[];
    next_nos integer[];
BEGIN
    -- What is sent again after its next channel was opened (a dead letter redriven) opens that channel no second time.
    SELECT array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no) INTO next_plans, next_slots, next_nos
      FROM (SELECT e.plan_id, e.no, p.slot
              FROM unnest(plans, slots, nos) AS e(plan_id, slot, no)
             CROSS JOIN LATERAL (SELECT next_in_tier(p.slots, p.first_tiers, e.slot) AS slot FROM plan p
                                  WHERE p.id = e.plan_id AND p.status + 0 IN (4, 5, 6) AND p.expires_at > now() OFFSET 0) AS p
             WHERE p.slot IS NOT NULL) AS n
     WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.plan_id = n.plan_id AND d.slot = n.slot AND d.no = n.no);
    IF next_plans IS NULL THEN
        RETURN;
    END IF;
    UPDATE plan p SET status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = NULL
     WHERE p.id = ANY(next_plans) AND p.finished_at IS NOT NULL;
    WITH made AS (
        INSERT INTO delivery (plan_id, slot, no, status, reason)
        SELECT n.plan_id, n.slot, n.no, CASE WHEN r.skip IS NOT NULL OR r.address IS NULL THEN 7 ELSE 0 END,
               CASE WHEN r.skip IS NOT NULL THEN r.skip WHEN r.address IS NULL THEN 'no_address' END
          FROM unnest(next_plans, next_slots, next_nos) AS n(plan_id, slot, no)
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

-- As before, and then the next channels of those suppressed.
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
        touched := ARRAY[c.lo];
        IF (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = c.lo) THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1)) FROM new_rows n;
        END IF;
        UPDATE plan p
           SET n_deliveries = p.n_deliveries + c.total, n_open = p.n_open + c.open, n_suppressed = p.n_suppressed + c.suppressed,
               status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + c.open = 0 THEN 6 ELSE p.status END,
               finished_at = CASE WHEN p.expanded AND p.n_open + c.open = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
         WHERE p.id = c.lo;
    ELSE
        touched := ARRAY(SELECT DISTINCT plan_id FROM new_rows);
        IF EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND cardinality(p.slots) > 1) THEN
            PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1))
               FROM new_rows n WHERE (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = n.plan_id) HAVING count(*) > 0;
        END IF;
        PERFORM tally_plans(array_agg(g.plan_id), array_agg(g.status), array_agg(g.n))
           FROM (SELECT plan_id, status, count(*)::integer AS n FROM new_rows GROUP BY plan_id, status) AS g;
    END IF;
    IF c.suppressed > 0 AND EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND p.first_tiers <> 0) THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no)) FROM new_rows n WHERE n.status = 7;
    END IF;
    RETURN NULL;
END $$;

-- As before, and then the next channels of those that failed.
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
    IF c.last >= 5 AND EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND p.first_tiers <> 0) THEN
        PERFORM open_next_channels(array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no))
           FROM new_rows n WHERE n.status IN (5, 7) HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;

-- Whose next channel a recall or an expiry cut off was not unreachable but withdrawn, as the list of recipients says: cancelled and
-- expired count for more than failed.
CREATE OR REPLACE FUNCTION tally_recipients(plans bigint[], nos integer[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM (SELECT DISTINCT c.plan_id, c.no FROM unnest(plans, nos) AS c(plan_id, no)) AS c
       JOIN recipient r ON r.plan_id = c.plan_id AND r.no = c.no
      ORDER BY c.plan_id, c.no FOR NO KEY UPDATE OF r;
    WITH change AS (
        SELECT c.plan_id, c.no, coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               array_agg(c.status) FILTER (WHERE c.n > 0 AND c.status <> 0) AS finals,
               array_agg(c.status) FILTER (WHERE c.n < 0 AND c.status <> 0) AS left_behind
          FROM unnest(plans, nos, statuses, deltas) AS c(plan_id, no, status, n)
         GROUP BY c.plan_id, c.no
    )
    UPDATE recipient r
       SET open = r.open + l.open,
           best = (SELECT coalesce((array_agg(s ORDER BY (ARRAY[0, 0, 0, 7, 8, 3, 6, 2, 4, 5])[s + 1] DESC))[1], 0)
                     FROM unnest(l.finals || CASE WHEN r.best = ANY(l.left_behind) THEN ARRAY(
                              SELECT d.status FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS w(slot)
                               CROSS JOIN LATERAL (SELECT d.status FROM delivery d
                                                    WHERE d.plan_id = r.plan_id AND d.slot = w.slot AND d.no = r.no OFFSET 0) AS d
                               WHERE p.id = r.plan_id)
                          ELSE ARRAY[r.best] END) AS s)
      FROM change l
     WHERE r.plan_id = l.plan_id AND r.no = l.no;
END $$;
