-- Makes a policy with the tenant's next number. A taken name violates policy_name.
-- $1 public id, $2 tenant, $3 name, $4 enabled, $5 rules as text, $6 tiers, $7 internal ids of the templates in them.
WITH next AS (
    INSERT INTO policy_number (tenant_id, last) VALUES ($2, 1) ON CONFLICT (tenant_id) DO UPDATE SET last = policy_number.last + 1
    RETURNING last
), made AS (
    INSERT INTO policy (uid, tenant_id, number, name, enabled, rules, tiers)
    SELECT $1, $2, next.last, $3, $4, ($5::text)::jsonb, $6 FROM next
    RETURNING *
), named AS (
    INSERT INTO policy_template (policy_id, template_id) SELECT m.id, t.id FROM made m CROSS JOIN unnest($7::bigint[]) AS t(id)
    ON CONFLICT DO NOTHING
)
SELECT id, uid, number, name, enabled, version, rules::text AS rules, tiers, created_at, updated_at,
       $7::bigint[] AS templates FROM made
