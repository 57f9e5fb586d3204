-- People of a plan by what they can be reached by: few rows, however many people. $1 plan, $2 the address kinds the plan uses (nine, the
-- rest empty), $3 tenant whose leavers of its mailing count; NULL: nobody's (urgent mail goes out all the same).
-- how: the kinds they have as bits, whether they have left (0, 1), their skips. One column behind OFFSET 0, so that the planner, whatever it
-- knows of addresses, expects few groups and hashes them: sorting a million people takes five times as long.
-- Kinds are taken out of their array once, leavers are looked for only where there are any.
WITH asked AS MATERIALIZED (
    SELECT k[1] AS a, k[2] AS b, k[3] AS c, k[4] AS d, k[5] AS e, k[6] AS f, k[7] AS g, k[8] AS h, k[9] AS i,
           (SELECT u.tenant_id FROM unsubscribed u WHERE u.tenant_id = $3::bigint LIMIT 1) AS leavers_of
      FROM (SELECT $2::text[] AS k) AS given
)
SELECT g.how, count(*) AS people
  FROM (SELECT ((r.addresses ? q.a)::integer + (r.addresses ? q.b)::integer * 2 + (r.addresses ? q.c)::integer * 4 + (r.addresses ? q.d)::integer * 8
             + (r.addresses ? q.e)::integer * 16 + (r.addresses ? q.f)::integer * 32 + (r.addresses ? q.g)::integer * 64
             + (r.addresses ? q.h)::integer * 128 + (r.addresses ? q.i)::integer * 256)::text
               || CASE WHEN q.leavers_of IS NOT NULL
                        AND EXISTS (SELECT FROM unsubscribed u WHERE u.tenant_id = q.leavers_of AND u.address = lower(r.addresses ->> 'email'))
                       THEN ' 1 ' ELSE ' 0 ' END
               || coalesce(r.skips::text, '{}') AS how
          FROM asked q JOIN recipient r ON r.plan_id = $1 OFFSET 0) AS g
 GROUP BY g.how
