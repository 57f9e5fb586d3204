-- Parks unclaimed jobs of plans, but recalls. Their order and times are kept, moved by a thousand years. $1 plans, $2 jobs of each at most, $3 jobs at most.
WITH next AS MATERIALIZED (
    SELECT n.id FROM unnest($1::bigint[]) AS w(plan_id)
     CROSS JOIN LATERAL (SELECT j.id FROM job j
                          WHERE j.plan_id = w.plan_id AND j.due_at < now() + interval '500 years' AND j.state < 2 AND j.kind + 0 <> 4
                          ORDER BY j.due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS n
     LIMIT $3
)
UPDATE job j
   SET due_at = CASE WHEN j.state = 1 THEN now() ELSE j.due_at END + interval '1000 years', state = 0, publishes = 0
  FROM next s WHERE j.id = s.id
