-- A tenant's accounts in the order they were made; paused while the provider asked for a pause.
-- $1 tenant, $2 internal id to go on after, $3 most rows.
SELECT a.id, a.uid, a.name, a.channel, a.provider, a.settings, a.secret, a.limits, a.failover_order, a.enabled, a.price,
       (CASE WHEN a.state = 0 AND h.paused_until > now() THEN 1 ELSE a.state END)::smallint AS state,
       CASE WHEN a.state = 0 AND h.paused_until > now() THEN coalesce(h.pause_reason, 'paused') ELSE a.reason END AS reason,
       a.since, a.created_at, a.updated_at, a.weight
  FROM account a LEFT JOIN account_health h ON h.account_id = a.id
 WHERE a.tenant_id = $1 AND a.id > $2 AND a.deleted_at IS NULL
 ORDER BY a.id
 LIMIT $3::bigint
