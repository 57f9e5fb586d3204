-- The first due jobs of each flow. $1 lane, $2 channel, $3 tenants, $4 plans (parallel), $5 jobs a plan at most.
SELECT j.id, w.tenant_id, w.plan_id, j.units, 0::double precision, true
  FROM unnest($3::bigint[], $4::bigint[]) AS w(tenant_id, plan_id)
 CROSS JOIN LATERAL (
    SELECT j.id, j.units FROM job j
     WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = $2
       AND j.tenant_id = w.tenant_id AND j.plan_id + 0 = w.plan_id AND j.due_at <= now()
     ORDER BY j.due_at LIMIT $5
 ) AS j
