-- Sets when the plans of a tenant need approval. $1 tenant, $2 rules.
INSERT INTO approval_rule (tenant_id, rules) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET rules = excluded.rules, updated_at = now()
