-- A tenant's keys in the order they were made, revoked ones included.
-- $1 tenant, $2 internal id to go on after, $3 most rows.
SELECT id, uid, name, prefix, scopes, rate_per_second, created_at, revoked_at
FROM api_key
WHERE tenant_id = $1 AND id > $2
ORDER BY id
LIMIT $3::bigint
