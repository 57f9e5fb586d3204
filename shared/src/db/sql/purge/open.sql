-- Purged plans of which something is left, with their tenants and slots, by the index plan_purging; not those whose last calls are still
-- being ended. $1 after this one, $2 at most.
SELECT p.id, p.tenant_id, p.slots, NOT EXISTS (SELECT FROM job j WHERE j.plan_id = p.id) AS over
  FROM plan p WHERE p.purging AND p.id + 0 > $1 ORDER BY p.id + 0 LIMIT $2
