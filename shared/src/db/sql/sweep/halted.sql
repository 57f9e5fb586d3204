-- Halted plans with something to do: ended ones that are not over yet; paused ones with jobs that are still due, or with nothing
-- open any more; resumed ones with parked jobs. $1 plans of each kind at most.
(SELECT id FROM plan WHERE status IN (7, 8, 9) AND finished_at IS NULL ORDER BY id LIMIT $1::bigint)
UNION
(SELECT p.id FROM plan p
  WHERE p.parked
    AND (p.status <> 5 OR (p.expanded AND p.n_open = 0)
         OR EXISTS (SELECT FROM job j WHERE j.plan_id = p.id AND j.due_at < now() + interval '500 years' AND j.state < 2))
  ORDER BY p.id LIMIT $1::bigint)
