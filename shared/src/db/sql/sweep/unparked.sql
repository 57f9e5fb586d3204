-- No job of these plans is parked any more. A pause that came meanwhile keeps the flag. $1 plans.
UPDATE plan p SET parked = false
  FROM (SELECT p.id FROM unnest($1::bigint[]) AS w(id) JOIN plan p ON p.id = w.id
         WHERE p.parked AND p.status + 0 <> 5
           AND (SELECT true FROM job j WHERE j.plan_id = p.id AND j.due_at > now() + interval '500 years' LIMIT 1) IS NULL
         ORDER BY p.id FOR NO KEY UPDATE OF p) AS free
 WHERE p.id = free.id AND p.parked AND p.status + 0 <> 5
