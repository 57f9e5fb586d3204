-- The latest versions of a tenant's templates that are called so, by name or by public id. $1 tenant, $2 names, $3 public ids.
SELECT t.id, t.uid, t.name, t.kind, t.version AS latest, t.created_at, v.version, v.title, v.content, v.created_at AS updated_at
  FROM template t JOIN template_version v ON v.template_id = t.id AND v.version = t.version
 WHERE t.tenant_id = $1 AND (t.name = ANY($2) OR t.uid = ANY($3))
