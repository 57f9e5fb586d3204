-- The accounts of some tenants in a channel as admission sees them. $1 channel, $2 tenants. Waits in seconds from now, 0 when over;
-- NULL: the breaker is closed, the account is not down.
SELECT a.tenant_id, a.id, a.failover_order, a.weight * coalesce(h.share, 1),
       -- No account of a tenant is paced faster than the tenant as a whole.
       least(CASE WHEN jsonb_typeof(a.limits -> 'per_second') = 'number' THEN (a.limits ->> 'per_second')::double precision * coalesce(h.factor, 1) END,
             CASE WHEN jsonb_typeof(n.limits -> 'per_second') = 'number' THEN (n.limits ->> 'per_second')::double precision END),
       CASE WHEN h.paused_until > now() THEN h.paused_until - h.paused_at >= interval '60 s' ELSE false END,
       extract(epoch FROM least(greatest(h.paused_until, now()), now() + interval '1 day') - now())::double precision,
       CASE WHEN h.breaker = 1
            THEN extract(epoch FROM least(greatest(h.open_until, now()), now() + interval '1 day') - now())::double precision END,
       -- An account error of a worker that knows no breaker: out of use for a minute, then the last choice.
       CASE WHEN a.state = 2 AND coalesce(h.breaker, 0) = 0
            THEN extract(epoch FROM greatest(a.since + interval '60 s', now()) - now())::double precision END
  FROM unnest($2::bigint[]) AS t(id)
  JOIN tenant n ON n.id = t.id
 CROSS JOIN LATERAL (SELECT a.* FROM account a
                      WHERE a.tenant_id = t.id AND a.channel = $1 AND a.enabled AND a.deleted_at IS NULL
                      ORDER BY a.failover_order, a.id OFFSET 0) AS a
  LEFT JOIN account_health h ON h.account_id = a.id
