-- Members that sent calls left out: each moved and noted; whoever may be tried again gets into one new job for each old job and delay.
-- Runs before settle.sql in the same transaction. Fenced like it: the attempt must be open and this run's.
-- Parallel arrays, one entry a member: $1 plans, $2 slots, $3 los, $4 numbers, $5 tenants, $6 lanes, $7 runs, $8 nos, $9 outcomes, $10 codes,
--   $11 details, $12 new statuses (0: pending at the next attempt), $13 reasons, $14 retry delays in ms.
WITH left_out AS MATERIALIZED (
    SELECT e.*, a.account_id, a.job_id
      FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::smallint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::integer[],
                  $9::smallint[], $10::text[], $11::text[], $12::smallint[], $13::text[], $14::double precision[])
           AS e(plan_id, slot, lo, number, tenant_id, lane, incarnation_id, no, outcome, code, detail, status, reason, delay_ms)
      JOIN attempt a ON a.plan_id = e.plan_id AND a.slot = e.slot AND a.lo = e.lo AND a.number = e.number
     WHERE a.incarnation_id = e.incarnation_id AND a.ended_at IS NULL
       AND e.no BETWEEN a.lo AND a.hi AND (a.members IS NULL OR e.no = ANY(a.members))
       -- Reclaim waits for this transaction, and finds the attempt closed.
       FOR NO KEY UPDATE OF a
), moved AS (
    UPDATE delivery d
       SET status = e.status, attempt = d.attempt + CASE WHEN e.status = 0 THEN 1 ELSE 0 END, reason = e.reason,
           account_id = e.account_id, updated_at = now()
      FROM left_out e
     WHERE d.plan_id = e.plan_id AND d.slot = e.slot AND d.no = e.no AND d.status = 0 AND d.attempt = e.number
    RETURNING d.plan_id, d.slot, d.no, d.status, d.attempt, e.job_id, e.delay_ms, e.tenant_id, e.lane
), noted AS (
    INSERT INTO attempt_exception (plan_id, slot, lo, number, no, outcome, code, detail)
    SELECT plan_id, slot, lo, number, no, outcome, code, detail FROM left_out
    ON CONFLICT DO NOTHING
)
INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, attempt, units, lo, hi, members, due_at, rested_until)
SELECT nextval('job_id'), 1, m.plan_id, m.tenant_id, m.slot, m.lane, m.attempt, m.units, m.lo, m.hi, m.members, now() + m.delay_ms * interval '1 ms',
       (SELECT j.rested_until FROM job j WHERE j.id = m.job_id)
  FROM (SELECT plan_id, tenant_id, slot, lane, attempt, delay_ms, job_id, count(*)::integer AS units, min(no) AS lo, max(no) AS hi,
               CASE WHEN max(no) - min(no) + 1 <> count(*) THEN array_agg(no ORDER BY no) END AS members
          FROM moved WHERE status = 0
         GROUP BY plan_id, tenant_id, slot, lane, attempt, job_id, delay_ms) AS m
