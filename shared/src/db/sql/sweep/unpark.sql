-- Parked jobs of plans get their times back. $1 plans, $2 jobs of each at most, $3 jobs at most.
WITH next AS MATERIALIZED (
    SELECT n.id FROM unnest($1::bigint[]) AS w(plan_id)
     CROSS JOIN LATERAL (SELECT j.id FROM job j
                          WHERE j.plan_id = w.plan_id AND j.due_at > now() + interval '500 years'
                          ORDER BY j.due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS n
     LIMIT $3
)
UPDATE job j SET due_at = greatest(j.due_at - interval '1000 years', now() - interval '1 s') FROM next s WHERE j.id = s.id
