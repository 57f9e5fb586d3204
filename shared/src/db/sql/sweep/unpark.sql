-- Parked jobs of a plan get their times back. $1 plan, $2 jobs at most.
WITH next AS (
    SELECT id FROM job
     WHERE plan_id = $1 AND due_at > now() + interval '500 years'
     ORDER BY due_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED
)
UPDATE job j SET due_at = greatest(j.due_at - interval '1000 years', now() - interval '50 s') FROM next s WHERE j.id = s.id
