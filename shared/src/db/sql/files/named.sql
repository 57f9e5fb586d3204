-- Files of a tenant, without their bytes. $1 tenant, $2 public ids.
SELECT id, uid, name, media_type, size, sha256, created_at FROM file WHERE tenant_id = $1 AND uid = ANY($2)
