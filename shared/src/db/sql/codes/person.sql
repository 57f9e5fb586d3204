-- Whom a code would go to. $1 plan, $2 recipient.
SELECT p.tenant_id, r.name, r.addresses FROM plan p JOIN recipient r ON r.plan_id = p.id WHERE p.id = $1 AND r.no = $2
