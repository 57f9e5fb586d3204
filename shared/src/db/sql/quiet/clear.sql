-- A tenant's own windows go. $1 tenant.
DELETE FROM quiet_window WHERE tenant_id = $1 AND NOT law
