-- When the plans of a tenant need approval; no row: never. $1 tenant.
SELECT rules FROM approval_rule WHERE tenant_id = $1
