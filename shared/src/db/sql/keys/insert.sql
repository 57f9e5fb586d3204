-- Stores a new API key; the key itself is not stored.
-- $1 public id, $2 tenant, $3 name, $4 first characters of the key, $5 its keyed hash, $6 scopes, $7 requests a second.
INSERT INTO api_key (uid, tenant_id, name, prefix, hash, scopes, rate_per_second)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id, uid, name, prefix, scopes, rate_per_second, created_at, revoked_at
