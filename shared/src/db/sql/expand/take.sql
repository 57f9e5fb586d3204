-- One due expand job of a lane, locked until the chunk commits; those of ended plans are the sweep's. $1 lane, $2 how many seconds back to look.
SELECT j.id, j.plan_id, j.tenant_id, j.lo, j.hi, p.slots, p.first_tiers, extract(epoch FROM now() - j.due_at)::double precision,
       p.series_id, p.terms ? 'recurrence' AS recurs,
       (SELECT true FROM quiet_window q WHERE q.tenant_id = j.tenant_id LIMIT 1) IS NOT NULL AS quiet
  FROM job j JOIN plan p ON p.id = j.plan_id
 WHERE j.kind = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = 0 AND j.due_at <= now() AND j.due_at >= now() - $2::double precision * interval '1 s'
   AND p.status + 0 IN (3, 4) AND p.expires_at > now() AND p.enough_at IS NULL
 ORDER BY j.due_at LIMIT 1 FOR UPDATE OF j SKIP LOCKED
