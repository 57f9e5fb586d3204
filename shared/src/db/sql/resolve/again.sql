-- Deliveries of one plan and slot go out again: pending at the next attempt, in new jobs no wider than a call may be.
-- The caller has reopened the plan. $1 plan, $2 slot, $3 recipients, $4 status they must be in, $5 deliveries a job.
WITH want AS MATERIALIZED (
    SELECT no FROM unnest($3::integer[]) AS w(no) ORDER BY no
), moved AS (
    -- By full key, one look-up each.
    UPDATE delivery d SET status = 0, attempt = d.attempt + 1, reason = NULL, updated_at = now()
      FROM want w
     WHERE d.plan_id = $1 AND d.slot = $2::smallint AND d.no = w.no AND d.status = $4::smallint
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
