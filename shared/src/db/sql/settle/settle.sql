-- Records finished calls and ends claims. Returns the position (from 1) of calls whose attempt was no longer open.
-- Calls, parallel arrays: $1 plans, $2 slots, $3 los, $4 numbers, $5 outcomes (NULL: forget the call), $6 codes, $7 details, $8 provider refs,
--   $9 new statuses (0: pending at the next attempt, -1: not moved), $10 reasons, $11 retry delays in ms, $12 tenants, $13 lanes.
-- Claims, parallel arrays: $14 jobs, $15 tokens, $16 members left as array text (NULL: done), $17 delays in ms, $18 choose the account again.
-- Calls again: $19 the run that claimed them. A repeated statement must not touch an attempt that another run has opened since.
WITH call AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::smallint[], $5::smallint[], $6::text[], $7::text[], $8::text[],
                         $9::smallint[], $10::text[], $11::double precision[], $12::bigint[], $13::smallint[], $19::bigint[]) WITH ORDINALITY
           AS c(plan_id, slot, lo, number, outcome, code, detail, provider_ref, status, reason, delay_ms, tenant_id, lane, incarnation_id, ord)
), closed AS MATERIALIZED (
    UPDATE attempt a
       SET ended_at = now(), outcome = c.outcome, code = c.code, detail = c.detail, provider_ref = c.provider_ref
      FROM call c
     WHERE a.plan_id = c.plan_id AND a.slot = c.slot AND a.lo = c.lo AND a.number = c.number
       AND a.incarnation_id = c.incarnation_id AND a.ended_at IS NULL AND c.outcome IS NOT NULL
    RETURNING c.ord, a.plan_id, a.slot, a.lo, a.hi, a.members, a.number, a.account_id, a.job_id, c.status, c.reason, c.delay_ms, c.tenant_id, c.lane
), forgotten AS (
    DELETE FROM attempt a USING call c
     WHERE a.plan_id = c.plan_id AND a.slot = c.slot AND a.lo = c.lo AND a.number = c.number
       AND a.incarnation_id = c.incarnation_id AND a.ended_at IS NULL AND c.outcome IS NULL
    RETURNING c.ord
), moved AS (
    UPDATE delivery d
       SET status = k.status, attempt = d.attempt + CASE WHEN k.status = 0 THEN 1 ELSE 0 END, reason = k.reason,
           account_id = k.account_id, updated_at = now(), sent_at = CASE WHEN k.status = 3 THEN now() ELSE d.sent_at END
      FROM closed k
     WHERE d.plan_id = k.plan_id AND d.slot = k.slot AND d.no BETWEEN k.lo AND k.hi AND (k.members IS NULL OR d.no = ANY(k.members))
       AND d.status = 0 AND d.attempt = k.number AND k.status >= 0
    RETURNING d.plan_id, d.slot, d.no, d.status, d.attempt, k.job_id, k.delay_ms, k.tenant_id, k.lane
), retried AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, attempt, units, lo, hi, members, due_at, rested_until)
    SELECT nextval('job_id'), 1, m.plan_id, m.tenant_id, m.slot, m.lane, m.attempt, m.units, m.lo, m.hi, m.members, now() + m.delay_ms * interval '1 ms',
           (SELECT j.rested_until FROM job j WHERE j.id = m.job_id)
      FROM (SELECT plan_id, tenant_id, slot, lane, attempt, delay_ms, job_id, count(*)::integer AS units, min(no) AS lo, max(no) AS hi,
                   CASE WHEN max(no) - min(no) + 1 <> count(*) THEN array_agg(no ORDER BY no) END AS members
              FROM moved WHERE status = 0
             GROUP BY plan_id, tenant_id, slot, lane, attempt, job_id, delay_ms) AS m
), release AS MATERIALIZED (
    SELECT id, token, rest::integer[] AS rest, delay_ms, drop_account
      FROM unnest($14::bigint[], $15::integer[], $16::text[], $17::double precision[], $18::boolean[]) AS r(id, token, rest, delay_ms, drop_account)
), dropped AS (
    DELETE FROM job j USING release r WHERE j.id = r.id AND j.token = r.token AND j.state + 0 = 2 AND r.rest IS NULL
), put_back AS (
    UPDATE job j
       SET state = 0, incarnation_id = NULL, publishes = 0, claims = 0, units = cardinality(r.rest),
           lo = r.rest[1], hi = r.rest[cardinality(r.rest)],
           members = CASE WHEN r.rest[cardinality(r.rest)] - r.rest[1] + 1 <> cardinality(r.rest) THEN r.rest END,
           account_id = CASE WHEN r.drop_account THEN NULL ELSE j.account_id END, due_at = now() + r.delay_ms * interval '1 ms'
      FROM release r
     WHERE j.id = r.id AND j.token = r.token AND j.state + 0 = 2 AND r.rest IS NOT NULL
)
SELECT c.ord FROM call c
 WHERE NOT EXISTS (SELECT FROM closed k WHERE k.ord = c.ord) AND NOT EXISTS (SELECT FROM forgotten f WHERE f.ord = c.ord)
