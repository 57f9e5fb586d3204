-- One account of a tenant.
-- $1 tenant, $2 public id.
SELECT id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at
FROM account
WHERE tenant_id = $1 AND uid = $2 AND deleted_at IS NULL
