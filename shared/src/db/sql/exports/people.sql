-- Key and name of some recipients of a plan.
-- $1 tenant, $2 plan, $3 recipients.
SELECT r.no, r.key, r.name
FROM unnest($3::integer[]) AS wanted (no)
JOIN recipient r ON r.plan_id = $2 AND r.no = wanted.no
WHERE EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
