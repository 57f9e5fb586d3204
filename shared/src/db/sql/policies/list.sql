-- A tenant's policies in the order they were made.
-- $1 tenant, $2 internal id to go on after, $3 name or NULL, $4 number or NULL, $5 enabled or NULL, $6 lower-case part of the name or NULL, $7 most rows.
SELECT id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       ARRAY(SELECT n.template_id FROM policy_template n WHERE n.policy_id = policy.id) AS templates
  FROM policy
 WHERE tenant_id = $1 AND id > $2
   AND ($3::text IS NULL OR name = $3)
   AND ($4::integer IS NULL OR number = $4)
   AND ($5::boolean IS NULL OR enabled = $5)
   AND ($6::text IS NULL OR strpos(lower(name), $6) > 0)
 ORDER BY id
 LIMIT $7::bigint
