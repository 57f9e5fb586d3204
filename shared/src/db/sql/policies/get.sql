-- One policy of a tenant. $1 tenant, $2 public id.
SELECT id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       ARRAY(SELECT n.template_id FROM policy_template n WHERE n.policy_id = policy.id) AS templates
  FROM policy WHERE tenant_id = $1 AND uid = $2
