-- Deletes a template with its versions unless a policy names it or a plan that is not over took it. One row: whether it was there and whether it is used.
-- $1 tenant, $2 public id.
WITH found AS (
    SELECT id FROM template WHERE tenant_id = $1 AND uid = $2 FOR UPDATE
), used AS (
    SELECT f.id, EXISTS (SELECT FROM policy_template n WHERE n.template_id = f.id) OR EXISTS (
               SELECT FROM plan p
                WHERE p.tenant_id = $1 AND p.terms ? 'templates' AND p.status < 6
                  AND p.terms -> 'templates' @> jsonb_build_array(jsonb_build_object('id', $2::uuid::text))) AS in_use
      FROM found f
), gone AS (
    DELETE FROM template t USING used u WHERE t.id = u.id AND NOT u.in_use
)
SELECT EXISTS (SELECT FROM found) AS found, coalesce((SELECT in_use FROM used), false) AS in_use
