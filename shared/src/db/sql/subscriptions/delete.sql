-- Deletes a subscription; what it was still to be told is swept. No row: not this tenant's.
-- $1 tenant, $2 public id.
DELETE FROM subscription WHERE tenant_id = $1 AND uid = $2 RETURNING id
