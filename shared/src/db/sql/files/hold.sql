-- Holds a file, so that no plan begins to use it until the transaction ends. $1 tenant, $2 public id.
SELECT id FROM file WHERE tenant_id = $1 AND uid = $2 FOR UPDATE
