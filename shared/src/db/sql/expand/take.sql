-- One due expand job of a lane, locked until the chunk commits; those of ended plans are the sweep's. $1 lane, $2 how many seconds back to look.
SELECT j.id, j.plan_id, j.tenant_id, j.lo, j.hi, p.slots, p.first_tiers, extract(epoch FROM now() - j.due_at)::double precision,
       p.series_id, p.terms ? 'recurrence' AS recurs,
       (SELECT true FROM quiet_window q WHERE q.tenant_id = j.tenant_id LIMIT 1) IS NOT NULL AS quiet,
       j.slot >> 4 AS step, j.members
  FROM job j JOIN plan p ON p.id = j.plan_id
 WHERE j.kind = 0 AND j.lane = $1 AND (j.slot & 15::smallint) = 0 AND j.due_at <= now() AND j.due_at >= now() - $2::double precision * interval '1 s'
   -- Of a stopped plan only what was asked for after it was over.
   AND (p.status + 0 IN (3, 4) OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now()
   AND (p.enough_at IS NULL OR j.slot >= 2048)
   -- A reminder waits until whoever was to get something before it has their deliveries.
   AND (j.slot < 2048 OR NOT EXISTS (SELECT FROM job k WHERE k.plan_id = j.plan_id AND k.kind + 0 = 0 AND (k.due_at, k.id) < (j.due_at, j.id)))
 ORDER BY j.due_at LIMIT 1 FOR UPDATE OF j SKIP LOCKED
