-- A due recall of a lane, for a while. $1 lane, $2 for how many seconds.
UPDATE job j SET due_at = now() + $2::double precision * interval '1 s', token = j.token + 1
  FROM (SELECT id FROM job WHERE kind = 4 AND lane = $1 AND (slot & 15::smallint) = 0 AND due_at <= now()
         ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS due
 WHERE j.id = due.id
RETURNING j.id, j.token, j.plan_id, j.members
