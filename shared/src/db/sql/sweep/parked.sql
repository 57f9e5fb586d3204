-- Plans that may have parked jobs, by the index plan_parked, and whether there is something to do: paused ones with jobs that are still
-- due, or with nothing open any more; all others. $1 after this one, $2 at most.
SELECT p.id, p.status <> 5 OR (p.expanded AND p.n_open = 0 AND p.n_waiting = 0)
       OR (SELECT true FROM job j WHERE j.plan_id = p.id AND j.due_at < now() + interval '500 years' AND j.state < 2 LIMIT 1) IS NOT NULL
  FROM (SELECT id, status, expanded, n_open, n_waiting FROM plan WHERE parked AND id + 0 > $1 ORDER BY id + 0 LIMIT $2) AS p
 ORDER BY p.id
