-- Records what a verification found; an account that works starts as healthy.
-- $1 tenant, $2 public id, $3 state, $4 reason or NULL.
WITH healed AS (
    UPDATE account_health h SET share = 1, breaker = 0, trips = 0, good = 0, bad = 0
      FROM account a WHERE a.tenant_id = $1 AND a.uid = $2 AND $3::smallint = 0 AND h.account_id = a.id
)
UPDATE account
SET since = CASE WHEN state = $3 THEN since ELSE now() END, state = $3, reason = $4
WHERE tenant_id = $1 AND uid = $2 AND deleted_at IS NULL
RETURNING id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at, weight
