-- Where a plan is. $1 tenant, $2 plan, $3 when it was made.
SELECT status, binned_at IS NOT NULL AS binned FROM plan WHERE tenant_id = $1 AND id = $2 AND created_at = $3 AND purged_at IS NULL
