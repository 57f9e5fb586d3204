-- Plans that were kept for as long as they say, with their tenants and slots, oldest first; not those whose last calls are still being ended. $1 at most.
SELECT d.id, d.tenant_id, d.slots
  FROM (SELECT p.id, p.tenant_id, p.slots FROM plan p
         WHERE p.keep_until IS NOT NULL AND p.erased_at IS NULL AND p.keep_until <= now() AND p.status + 0 IN (6, 7, 8, 9)
         ORDER BY p.keep_until LIMIT $1) AS d
 WHERE NOT EXISTS (SELECT FROM job j WHERE j.plan_id = d.id)
