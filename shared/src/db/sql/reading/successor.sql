-- The same person in the plan that takes a recalled one's place, once that has gone out. A copy keeps positions; in a plan that was given
-- its people anew they are looked for, if it is not too large for that. $1 plan, $2 recipient.
SELECT n.id AS plan_id, m.no
  FROM plan p
  JOIN recipient r ON r.plan_id = p.id AND r.no = $2
  JOIN plan n ON n.id = p.superseded_by AND n.started_at IS NOT NULL
 CROSS JOIN LATERAL (
       SELECT m.no FROM (
           SELECT x.no, x.key, x.addresses FROM recipient x WHERE x.plan_id = n.id AND x.no = $2
           UNION ALL
           SELECT x.no, x.key, x.addresses FROM recipient x WHERE x.plan_id = n.id AND n.n_recipients <= 10000) AS m
        WHERE CASE WHEN r.key IS NULL THEN m.key IS NULL AND m.addresses = r.addresses ELSE m.key = r.key END
        LIMIT 1) AS m
 WHERE p.id = $1 AND p.status + 0 = 7
