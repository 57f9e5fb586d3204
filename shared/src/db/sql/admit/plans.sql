-- Plans with waiting jobs in a queue, of each tenant, by a loose index scan of job_flow; and whether they run.
-- $1 lane, $2 channel, $3 tenants, $4 after this plan of each (parallel), $5 plans a tenant at most.
SELECT w.tenant_id, f.plan_id, p.runs
  FROM unnest($3::bigint[], $4::bigint[]) AS w(tenant_id, after)
 CROSS JOIN LATERAL (
    WITH RECURSIVE flow AS (
        (SELECT j.plan_id + 0 AS plan_id, 1 AS n FROM job j
          WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.tenant_id = w.tenant_id
            AND j.plan_id + 0 > w.after
          ORDER BY j.plan_id + 0 LIMIT 1)
        UNION ALL
        SELECT (SELECT j.plan_id + 0 FROM job j
                 WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.tenant_id = w.tenant_id
                   AND j.plan_id + 0 > f.plan_id
                 ORDER BY j.plan_id + 0 LIMIT 1), f.n + 1
          FROM flow f WHERE f.plan_id IS NOT NULL AND f.n < $5::integer
    )
    SELECT plan_id FROM flow WHERE plan_id IS NOT NULL
 ) AS f
 CROSS JOIN LATERAL (SELECT coalesce((SELECT (p.status + 0 = 4 OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now() FROM plan p WHERE p.id = f.plan_id), false) AS runs OFFSET 0) AS p
