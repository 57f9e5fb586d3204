-- Lets new plans name a policy, or not. $1 tenant, $2 public id, $3 whether.
UPDATE policy SET enabled = $3, updated_at = CASE WHEN enabled = $3 THEN updated_at ELSE now() END
 WHERE tenant_id = $1 AND uid = $2
RETURNING id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       ARRAY(SELECT n.template_id FROM policy_template n WHERE n.policy_id = policy.id) AS templates
