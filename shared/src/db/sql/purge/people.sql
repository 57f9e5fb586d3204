-- A chunk of a purged plan's people, with their messages in inboxes and histories. How many people went.
-- $1 plan, $2 tenant, $3 slots, $4 people at most.
-- Messages one by one by their full key: left free, a plan made for few reads all of a tenant's for each.
WITH next AS MATERIALIZED (
    SELECT no, key, addresses ->> 'inbox' AS owner FROM recipient WHERE plan_id = $1 ORDER BY no LIMIT $4
), gone AS (
    DELETE FROM recipient WHERE plan_id = $1 AND no = ANY (ARRAY(SELECT no FROM next))
), inbox AS (
    DELETE FROM inbox_message WHERE ctid = ANY (ARRAY(
        SELECT m.ctid FROM next n CROSS JOIN unnest($3::smallint[]) AS s(slot)
         CROSS JOIN LATERAL (SELECT i.ctid FROM inbox_message i
                              WHERE i.tenant_id = $2 AND i.owner = n.owner AND i.plan_id = $1 AND i.slot = s.slot AND i.no = n.no OFFSET 0) AS m
         WHERE s.slot & 15 = 10))
), history AS (
    DELETE FROM opened_message WHERE ctid = ANY (ARRAY(
        SELECT m.ctid FROM next n
         CROSS JOIN LATERAL (SELECT o.ctid FROM opened_message o
                              WHERE o.tenant_id = $2 AND o.key = n.key AND o.plan_id = $1 AND o.no = n.no OFFSET 0) AS m))
)
SELECT count(*) FROM next
