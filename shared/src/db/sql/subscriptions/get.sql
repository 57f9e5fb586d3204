-- One subscription.
-- $1 tenant, $2 public id.
SELECT id, uid, url, kinds, secret, enabled, state, reason, failing_since, taken_at, created_at, updated_at FROM subscription WHERE tenant_id = $1 AND uid = $2
