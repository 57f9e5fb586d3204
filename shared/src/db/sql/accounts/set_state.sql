-- Records what a verification found.
-- $1 tenant, $2 public id, $3 state, $4 reason or NULL.
UPDATE account
SET since = CASE WHEN state = $3 THEN since ELSE now() END, state = $3, reason = $4
WHERE tenant_id = $1 AND uid = $2 AND deleted_at IS NULL
RETURNING id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at
