-- Deliveries and jobs for pieces of plans. Whoever is suppressed in a tier of mode first gets the next channel by trigger.
-- $1 plans, $2 tenants, $3 slots, $4 lanes, $5 accounts, $6 los, $7 his, $8 units a job, $9 address kinds: parallel arrays.
-- $10: born published, i.e. the caller publishes the pointers after its commit; lost ones are found when 10 s lapse (urgent 3 s).
WITH piece AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::integer[], $7::integer[], $8::integer[], $9::text[])
           AS x(plan_id, tenant_id, slot, lane, account_id, lo, hi, units, kind)
), running AS (
    UPDATE plan p SET status = 4, started_at = coalesce(p.started_at, now())
     -- Not `p.status = 3`: that would invite the index on expiry, which holds every living plan.
     WHERE p.id = ANY($1) AND p.status + 0 = 3
), made AS (
    INSERT INTO delivery (plan_id, slot, no, status, reason)
    SELECT x.plan_id, x.slot, r.no,
           CASE WHEN r.skips ->> x.kind IS NOT NULL OR r.addresses ->> x.kind IS NULL THEN 7 ELSE 0 END,
           CASE WHEN r.skips ->> x.kind IS NOT NULL THEN r.skips ->> x.kind
                WHEN r.addresses ->> x.kind IS NULL THEN 'no_address' END
      FROM piece x JOIN recipient r ON r.plan_id = x.plan_id AND r.no BETWEEN x.lo AND x.hi
    RETURNING plan_id, slot, no, status
), batch AS (
    SELECT m.plan_id, m.slot, min(m.no) AS lo, max(m.no) AS hi, count(*)::integer AS units, x.tenant_id, x.lane, x.account_id
      FROM made m JOIN piece x ON x.plan_id = m.plan_id AND x.slot = m.slot
     WHERE m.status = 0
     GROUP BY m.plan_id, m.slot, x.tenant_id, x.lane, x.account_id, (m.no - 1) / x.units
)
INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, account_id, units, lo, hi, state, publishes, due_at)
SELECT nextval('job_id'), 1, plan_id, tenant_id, slot, lane, account_id, units, lo, hi,
       CASE WHEN $10 THEN 1 ELSE 0 END, CASE WHEN $10 THEN 1 ELSE 0 END,
       CASE WHEN NOT $10 THEN now() WHEN lane = 0 THEN now() + interval '3 s' ELSE now() + interval '10 s' END
  FROM batch ORDER BY plan_id, slot, lo
RETURNING id, plan_id, slot, lane, account_id, units
