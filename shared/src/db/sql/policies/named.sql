-- The policy a tenant calls so, by name or by public id. $1 tenant, $2 name, $3 public id or NULL.
SELECT id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       ARRAY(SELECT n.template_id FROM policy_template n WHERE n.policy_id = policy.id) AS templates
  FROM policy WHERE tenant_id = $1 AND (name = $2 OR uid = $3)
