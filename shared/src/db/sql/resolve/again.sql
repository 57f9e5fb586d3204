-- Deliveries of one plan and slot go out again: pending at the next attempt, in new jobs no wider than a call may be.
-- Of a recipient of a tier in mode first one channel is open at a time: nothing goes out again beside another delivery of the tier that
-- waits, went out or may have gone out. The caller has reopened the plan. $1 plan, $2 slot, $3 recipients, $4 status they must be in, $5 deliveries a job.
WITH want AS MATERIALIZED (
    SELECT $1::bigint AS plan_id, w.no FROM unnest($3::integer[]) AS w(no)
     WHERE NOT EXISTS (
           SELECT FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS s(slot)
            CROSS JOIN LATERAL (SELECT o.status FROM delivery o WHERE o.plan_id = $1 AND o.slot = s.slot AND o.no = w.no OFFSET 0) AS o
            WHERE p.id = $1 AND $2::smallint >> 4 = ANY(p.first_tiers)
              AND s.slot <> $2::smallint AND s.slot >> 4 = $2::smallint >> 4 AND o.status IN (0, 3, 4, 6))
     ORDER BY w.no
), moved AS (
    -- By full key, one look-up each.
    UPDATE delivery d SET status = 0, attempt = d.attempt + 1, reason = NULL, updated_at = now()
      FROM want w
     WHERE d.plan_id = w.plan_id AND d.slot = $2::smallint AND d.no = w.no AND d.status = $4::smallint
    RETURNING d.no, d.attempt
), made AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, attempt, units, lo, hi, members, due_at)
    SELECT nextval('job_id'), 1, p.id, p.tenant_id, $2::smallint, p.lane, g.attempt, g.units, g.lo, g.hi,
           CASE WHEN g.hi - g.lo + 1 <> g.units THEN g.nos END, now()
      FROM (SELECT attempt, count(*)::integer AS units, min(no) AS lo, max(no) AS hi, array_agg(no ORDER BY no) AS nos
              FROM moved GROUP BY attempt, (no - 1) / $5::integer) AS g, plan p
     WHERE p.id = $1
)
SELECT count(*) FROM moved
