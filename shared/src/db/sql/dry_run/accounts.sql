-- A tenant's enabled accounts by channel and order, as a forecast needs them. $1 tenant.
-- usable: not down, its breaker closed, not resting for a minute or more. used_today: of the ring that db/pace.rs keeps.
SELECT a.channel, a.uid, a.name, a.provider, a.failover_order, a.limits, a.price, (a.weight * coalesce(h.share, 1))::double precision AS part,
       NOT (a.state = 2 OR coalesce(h.breaker = 1, false)
            OR CASE WHEN h.paused_until > now() THEN h.paused_until - h.paused_at >= interval '60 s' ELSE false END) AS usable,
       coalesce(h.usual_ms, 0) AS usual_ms,
       coalesce((SELECT sum(CASE WHEN k.span - (k.span - i) % 61 > p.day_at THEN 0 ELSE p.day[i + 1] END)
                   FROM generate_series(0, 60) AS i, (SELECT floor(extract(epoch FROM now()) / 1440)::bigint AS span) AS k), 0)::bigint AS used_today
  FROM account a
  LEFT JOIN account_health h ON h.account_id = a.id
  LEFT JOIN account_pace p ON p.account_id = a.id
 WHERE a.tenant_id = $1 AND a.enabled AND a.deleted_at IS NULL
 ORDER BY a.channel, a.failover_order, a.id
