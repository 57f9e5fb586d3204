-- Due jobs of one queue, oldest first, and whether their plans run. $1 lane, $2 channel, $3 how many seconds back to look,
-- $4 jobs at most, $5 only those published before.
SELECT j.id, j.tenant_id, j.plan_id, j.units, extract(epoch FROM now() - j.due_at)::double precision, p.runs
  FROM (SELECT j.id, j.tenant_id, j.plan_id, j.units, j.due_at FROM job j
         WHERE j.kind = 1 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.due_at <= now() AND j.due_at >= now() - $3::double precision * interval '1 s'
           AND j.state < 2 AND (j.state = 1 OR NOT $5)
         ORDER BY j.due_at LIMIT $4) AS j
 CROSS JOIN LATERAL (SELECT coalesce((SELECT (p.status + 0 = 4 OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now() FROM plan p WHERE p.id = j.plan_id), false) AS runs OFFSET 0) AS p
 ORDER BY j.due_at
