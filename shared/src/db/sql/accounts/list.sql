-- A tenant's accounts in the order they were made.
-- $1 tenant, $2 internal id to go on after, $3 most rows.
SELECT id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at
FROM account
WHERE tenant_id = $1 AND id > $2 AND deleted_at IS NULL
ORDER BY id
LIMIT $3::bigint
