-- A chunk of a plan's people is made nameless; their messages in inboxes and histories go. What became of them, their keys, the options they
-- chose and when stay. The last position. $1 plan, $2 tenant, $3 slots, $4 positions after this one, $5 people at most.
-- Messages one by one by their full key: left free, a plan made for few reads all of a tenant's for each.
WITH next AS MATERIALIZED (
    SELECT no, key, addresses ->> 'inbox' AS owner FROM recipient WHERE plan_id = $1 AND no > $4 ORDER BY no LIMIT $5 FOR NO KEY UPDATE
), erased AS (
    UPDATE recipient SET name = NULL, addresses = '{}', variables = NULL, answer_text = NULL
     WHERE plan_id = $1 AND no = ANY (ARRAY(SELECT no FROM next))
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
SELECT max(no) FROM next
