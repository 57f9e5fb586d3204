-- Makes a template with its first version. A taken name violates template_name.
-- $1 public id, $2 tenant, $3 name, $4 kind, $5 title, $6 content.
WITH made AS (
    INSERT INTO template (uid, tenant_id, name, kind) VALUES ($1, $2, $3, $4)
    RETURNING id, uid, name, kind, version AS latest, created_at
), first AS (
    INSERT INTO template_version (template_id, version, title, content) SELECT id, 1, $5, $6 FROM made
    RETURNING version, title, content, created_at AS updated_at
)
SELECT m.id, m.uid, m.name, m.kind, m.latest, m.created_at, f.version, f.title, f.content, f.updated_at FROM made m CROSS JOIN first f
