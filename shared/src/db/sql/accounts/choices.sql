-- The accounts new work of each channel uses first: of those in order (enabled, not down, its breaker closed, not resting for a minute
-- or more) the ones of the lowest order, with their part of the work; where none is in order, the lowest order all the same. $1 tenant.
SELECT channel, id, part
  FROM (SELECT a.channel, a.id, (a.weight * coalesce(h.share, 1))::double precision AS part,
               rank() OVER (PARTITION BY a.channel
                            ORDER BY a.state = 2 OR coalesce(h.breaker = 1, false)
                                     OR CASE WHEN h.paused_until > now() THEN h.paused_until - h.paused_at >= interval '60 s' ELSE false END, a.failover_order) AS place
          FROM account a LEFT JOIN account_health h ON h.account_id = a.id
         WHERE a.tenant_id = $1 AND a.enabled AND a.deleted_at IS NULL) AS ranked
 WHERE place = 1
 ORDER BY channel, id
