-- How many people a plan has that is to be copied; no row: the tenant has no such plan. $1 tenant, $2 plan, $3 when it was made.
SELECT n_recipients, erased_at IS NOT NULL AS erased FROM plan WHERE tenant_id = $1 AND id = $2 AND created_at = $3
