-- Forgets events that are older than they are kept, with the calls about them, and calls of subscriptions that are gone. At most $2 of each.
-- How many, and how many calls were never made.
-- $1 days they are kept, $2 most.
WITH RECURSIVE gone AS (
    DELETE FROM event WHERE id IN (
        SELECT o.id FROM (SELECT x.id, x.at FROM event x ORDER BY x.id LIMIT $2::bigint) AS o WHERE o.at < now() - $1::integer * interval '1 day')
    RETURNING id, tenant_id
), untold AS (
    DELETE FROM subscription_call c USING gone g, subscription s
     WHERE s.tenant_id = g.tenant_id AND c.subscription_id = s.id AND c.event_id = g.id
    RETURNING 1
), called (id) AS (
    (SELECT subscription_id FROM subscription_call ORDER BY subscription_id LIMIT 1)
    UNION ALL
    SELECT (SELECT c.subscription_id FROM subscription_call c WHERE c.subscription_id > i.id ORDER BY c.subscription_id LIMIT 1)
      FROM called i WHERE i.id IS NOT NULL
), orphans AS (
    DELETE FROM subscription_call c
     WHERE (c.subscription_id, c.event_id) IN (
           SELECT i.id, o.event_id FROM called i
            CROSS JOIN LATERAL (SELECT x.event_id FROM subscription_call x WHERE x.subscription_id = i.id LIMIT $2::bigint) AS o
            WHERE NOT EXISTS (SELECT FROM subscription s WHERE s.id = i.id))
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM orphans) AS forgotten, (SELECT count(*) FROM untold) AS untold
