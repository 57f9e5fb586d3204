-- Changes the rules of a policy that is at version $3; no row when it is at another.
-- $1 tenant, $2 public id, $3 version it was read at, $4 rules as text, $5 tiers, $6 internal ids of the templates in them.
WITH made AS (
    UPDATE policy SET rules = ($4::text)::jsonb, tiers = $5, version = version + 1, updated_at = now()
     WHERE tenant_id = $1 AND uid = $2 AND version = $3
    RETURNING *
), gone AS (
    DELETE FROM policy_template n USING made m WHERE n.policy_id = m.id AND n.template_id <> ALL($6::bigint[])
), named AS (
    INSERT INTO policy_template (policy_id, template_id) SELECT m.id, t.id FROM made m CROSS JOIN unnest($6::bigint[]) AS t(id)
    ON CONFLICT DO NOTHING
)
SELECT id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       $6::bigint[] AS templates FROM made
