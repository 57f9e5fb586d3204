-- What the lists below a plan need of it. No row: not this tenant's.
-- $1 tenant, $2 plan.
SELECT created_at, slots, steps FROM plan WHERE tenant_id = $1 AND id = $2 AND purged_at IS NULL
