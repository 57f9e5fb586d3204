-- Tells a subscription again of what it wants to know since a time, at most $4 events, oldest first. How many, and the time of the last.
-- $1 tenant, $2 internal id, $3 from, $4 most.
WITH old AS MATERIALIZED (
    SELECT e.id, e.at
      FROM event e
     WHERE e.tenant_id = $1 AND e.at >= $3 AND e.kind = ANY((SELECT s.kinds FROM subscription s WHERE s.id = $2)::smallint[])
     ORDER BY e.at, e.id
     LIMIT $4::bigint
), put AS (
    INSERT INTO subscription_call (subscription_id, event_id)
    SELECT $2, o.id FROM old o
    ON CONFLICT (subscription_id, event_id) DO UPDATE SET due_at = now()
)
SELECT count(*) AS events, max(o.at) AS last FROM old o
