-- Who holds a key. Revoked keys are not found.
-- $1 keyed hash of the key.
SELECT k.id, k.tenant_id, t.uid AS tenant_uid, k.scopes, k.rate_per_second
FROM api_key k JOIN tenant t ON t.id = k.tenant_id
WHERE k.hash = $1 AND k.revoked_at IS NULL
