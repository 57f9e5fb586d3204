-- Parks unclaimed jobs of a plan. Their order and times are kept, moved by a thousand years. $1 plan, $2 jobs at most.
WITH next AS (
    SELECT id FROM job
     WHERE plan_id = $1 AND due_at < now() + interval '500 years' AND state < 2
     ORDER BY due_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED
)
UPDATE job j
   SET due_at = CASE WHEN j.state = 1 THEN now() ELSE j.due_at END + interval '1000 years', state = 0, publishes = 0
  FROM next s WHERE j.id = s.id
