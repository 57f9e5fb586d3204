-- How many people a plan reaches by each of its channels, and what a message by it costs where the account that is used first has a price.
-- Of a large plan the first 100,000 are counted and the rest estimated from them. $1 tenant, $2 plan.
WITH slots AS MATERIALIZED (
    SELECT DISTINCT s.slot & 15 AS channel, p.n_recipients FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS s(slot) WHERE p.tenant_id = $1 AND p.id = $2
), people AS MATERIALIZED (
    SELECT r.addresses, r.skips FROM recipient r
     WHERE r.plan_id = $2 AND EXISTS (SELECT FROM slots) ORDER BY r.no LIMIT 100000
), counted AS (
    SELECT s.channel, s.n_recipients,
           (SELECT count(*) FROM people x WHERE x.addresses ? address_kind(s.channel) AND NOT coalesce(x.skips ? address_kind(s.channel), false)) AS n
      FROM slots s
)
SELECT c.channel::smallint AS channel,
       CASE WHEN c.n_recipients > 100000 THEN (c.n * c.n_recipients::numeric / 100000)::bigint ELSE c.n END AS people, a.price::text AS price,
       (CASE WHEN c.n_recipients > 100000 THEN (c.n * c.n_recipients::numeric / 100000)::bigint ELSE c.n END * a.price)::text AS cost
  FROM counted c
  LEFT JOIN LATERAL (SELECT a.price::numeric AS price FROM account a
                      WHERE a.tenant_id = $1 AND a.channel = c.channel AND a.enabled AND a.deleted_at IS NULL
                      ORDER BY a.failover_order, a.id LIMIT 1) AS a ON true
 ORDER BY c.channel
