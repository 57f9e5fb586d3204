-- Tenants with waiting jobs in a queue, by a loose index scan of job_flow. $1 lane, $2 channel, $3 after this one, $4 at most.
WITH RECURSIVE flow AS (
    (SELECT j.tenant_id, 1 AS n FROM job j
      WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.tenant_id > $3
      ORDER BY j.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.tenant_id FROM job j
             WHERE j.kind + 0 = 1 AND j.state = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.tenant_id > f.tenant_id
             ORDER BY j.tenant_id LIMIT 1), f.n + 1
      FROM flow f WHERE f.tenant_id IS NOT NULL AND f.n < $4::integer
)
SELECT tenant_id FROM flow WHERE tenant_id IS NOT NULL
