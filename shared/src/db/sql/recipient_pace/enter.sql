-- Enters a round of an account, or says that it goes on; and whom it must leave out. Under lock.sql.
-- $1 account, $2 plan, $3 slot, $4 attempt, $5 spans in seconds, $6 most messages in each.
-- Half of a limit is for rounds: what is counted one by one keeps the other half whatever comes. Returns entered, members left out.
WITH clock AS MATERIALIZED (
    SELECT floor(extract(epoch FROM clock_timestamp()))::integer AS now
), span AS MATERIALIZED (
    SELECT s.length, s.most, c.now, o.others, o.others < s.most / 2 AS fits
      FROM clock c CROSS JOIN unnest($5::integer[], $6::integer[]) AS s(length, most)
     CROSS JOIN LATERAL (SELECT count(*)::integer AS others FROM recipient_round r
                          WHERE r.account_id = $1 AND r.seen > c.now - s.length
                            AND (r.plan_id, r.slot, r.attempt) <> ($2::bigint, $3::smallint, $4::smallint)) AS o
), entered AS (
    INSERT INTO recipient_round (account_id, plan_id, slot, attempt, seen)
    SELECT $1, $2, $3, $4, c.now FROM clock c WHERE (SELECT bool_and(fits) FROM span)
    ON CONFLICT (account_id, plan_id, slot, attempt) DO UPDATE SET seen = excluded.seen
)
SELECT (SELECT bool_and(fits) FROM span),
       ARRAY(SELECT p.member FROM recipient_pace p
              WHERE p.account_id = $1 AND p.hot
                AND EXISTS (SELECT FROM span s
                             WHERE (SELECT count(*) FROM unnest(p.times) AS t WHERE t > s.now - s.length) + s.others + 1 > s.most))
