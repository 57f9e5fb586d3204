-- What takes a plan's place already. $1 tenant, $2 plan.
SELECT n.id, n.created_at FROM plan p JOIN plan n ON n.id = p.superseded_by WHERE p.tenant_id = $1 AND p.id = $2
