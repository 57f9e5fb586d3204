-- No job of the plan is parked any more. A pause that came meanwhile keeps the flag. $1 plan.
UPDATE plan SET parked = false
 WHERE id = $1 AND parked AND status <> 5
   AND NOT EXISTS (SELECT FROM job j WHERE j.plan_id = $1 AND j.due_at > now() + interval '500 years')
