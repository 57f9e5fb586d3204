-- One template of a tenant at a version. $1 tenant, $2 public id, $3 version or NULL for the latest.
SELECT t.id, t.uid, t.name, t.kind, t.version AS latest, t.created_at, v.version, v.title, v.content, v.created_at AS updated_at
  FROM template t JOIN template_version v ON v.template_id = t.id AND v.version = coalesce($3, t.version)
 WHERE t.tenant_id = $1 AND t.uid = $2
