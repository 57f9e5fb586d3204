-- The current waits of a plan end now: how many steps that is. $1 tenant, $2 plan.
UPDATE job SET due_at = now()
 WHERE id IN (SELECT j.id FROM plan p JOIN job j ON j.plan_id = p.id
               WHERE p.tenant_id = $1 AND p.id = $2 AND p.status + 0 = 4 AND j.kind + 0 = 2 AND j.attempt < 16 AND j.due_at > now()
               ORDER BY j.id FOR UPDATE OF j SKIP LOCKED)
