-- A tenant's templates in the order they were made.
-- $1 tenant, $2 internal id to go on after, $3 name or NULL, $4 lower-case part of name or title or NULL, $5 kind or NULL, $6 most rows.
SELECT t.id, t.uid, t.name, t.kind, t.version AS latest, t.created_at, v.version, v.title, v.content, v.created_at AS updated_at
  FROM template t JOIN template_version v ON v.template_id = t.id AND v.version = t.version
 WHERE t.tenant_id = $1 AND t.id > $2
   AND ($3::text IS NULL OR t.name = $3)
   AND ($4::text IS NULL OR strpos(lower(t.name), $4) > 0 OR strpos(lower(v.title), $4) > 0)
   AND ($5::smallint IS NULL OR t.kind = $5)
 ORDER BY t.id
 LIMIT $6::bigint
