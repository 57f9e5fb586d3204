-- Holds recipients of plans with a tier in mode first, so that of two who send their deliveries again one sees what the other opened.
-- Before the plans' rows, as every writer of deliveries. $1 plans, $2 recipients (parallel).
SELECT FROM unnest($1::bigint[], $2::integer[]) AS w(plan_id, no)
  JOIN plan p ON p.id = w.plan_id AND p.first_tiers <> 0
  JOIN recipient r ON r.plan_id = w.plan_id AND r.no = w.no
 ORDER BY r.plan_id, r.no FOR NO KEY UPDATE OF r
