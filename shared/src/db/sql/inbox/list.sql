-- An owner's inbox, newest first, without what was recalled; content is the plan's as its slot says it, rendered by the caller with the
-- recipient's variables.
-- $1 tenant, $2 owner, $3 before this time or NULL for the start, $4 plan, $5 slot and $6 recipient at that time,
-- $7 most rows.
SELECT m.plan_id, m.slot, m.no, m.created_at, m.read_at, p.created_at AS plan_created_at, p.title, worded(p.content, m.slot) AS content, p.terms, r.name, r.variables
FROM inbox_message m
JOIN plan p ON p.id = m.plan_id AND p.tenant_id = $1 AND p.binned_at IS NULL
JOIN recipient r ON r.plan_id = m.plan_id AND r.no = m.no
WHERE m.tenant_id = $1 AND m.owner = $2 AND p.status + 0 <> 7
  AND ($3::timestamptz IS NULL OR (m.created_at, m.plan_id, m.slot, m.no) < ($3, $4::bigint, $5::smallint, $6::integer))
ORDER BY m.created_at DESC, m.plan_id DESC, m.slot DESC, m.no DESC
LIMIT $7::bigint
