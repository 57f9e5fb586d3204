-- Claimed jobs of ended runs, and those past their backstop.
(SELECT j.id FROM job j JOIN worker_incarnation w ON w.id = j.incarnation_id
  WHERE j.state = 2 AND w.ended_at IS NOT NULL LIMIT 500)
UNION
(SELECT j.id FROM job j WHERE j.state = 2 AND j.due_at < now() LIMIT 500)
