-- The plan the tenant calls so.
-- $1 tenant, $2 reference.
SELECT id, created_at FROM plan WHERE tenant_id = $1 AND reference = $2
