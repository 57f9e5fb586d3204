-- Key and name of some recipients of a plan.
-- $1 tenant, $2 plan, $3 recipients.
SELECT r.no, r.key, r.name
FROM unnest($3::integer[]) AS wanted (no)
CROSS JOIN LATERAL (SELECT r.no, r.key, r.name FROM recipient r WHERE r.plan_id = $2 AND r.no = wanted.no OFFSET 0) AS r
WHERE EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
