-- Makes a subscription, unless the tenant has as many as it may. No row: it has.
-- $1 public id, $2 tenant, $3 URL, $4 kinds, $5 sealed secret, $6 enabled, $7 most of a tenant.
INSERT INTO subscription (uid, tenant_id, url, kinds, secret, enabled)
SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM subscription WHERE tenant_id = $2) < $7::bigint
RETURNING id, uid, url, kinds, secret, enabled, state, reason, failing_since, taken_at, created_at, updated_at
