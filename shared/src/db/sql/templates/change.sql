-- Saves a new version of a template that is at version $3; no row when it is at another.
-- $1 tenant, $2 public id, $3 version it was read at, $4 title, $5 content.
WITH moved AS (
    UPDATE template SET version = version + 1, updated_at = now()
     WHERE tenant_id = $1 AND uid = $2 AND version = $3
    RETURNING id, uid, name, kind, version AS latest, created_at
), saved AS (
    INSERT INTO template_version (template_id, version, title, content) SELECT id, latest, $4, $5 FROM moved
    RETURNING version, title, content, created_at AS updated_at
)
SELECT m.id, m.uid, m.name, m.kind, m.latest, m.created_at, s.version, s.title, s.content, s.updated_at FROM moved m CROSS JOIN saved s
