-- What a person has read before, newest first; nothing of what is sensitive or protected. $1 tenant, $2 the person's key, $3 and $4 plan and recipient that are shown already, $5 most.
SELECT m.plan_id, m.no, p.created_at, p.title, p.content, r.name, r.variables
  FROM opened_message m
  JOIN plan p ON p.id = m.plan_id
  JOIN recipient r ON r.plan_id = m.plan_id AND r.no = m.no
 WHERE m.tenant_id = $1 AND m.key = $2 AND (m.plan_id, m.no) <> ($3::bigint, $4::integer) AND p.status + 0 <> 7 AND p.binned_at IS NULL
   AND (p.terms IS NULL OR NOT p.terms ?| '{sensitive,protected}')
 ORDER BY m.plan_id DESC, m.no DESC
 LIMIT $5::bigint
