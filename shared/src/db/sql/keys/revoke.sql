-- Ends a key for good; a second time changes nothing. No row: not this tenant's.
-- $1 tenant, $2 public id.
UPDATE api_key SET revoked_at = coalesce(revoked_at, now())
WHERE tenant_id = $1 AND uid = $2
RETURNING id
