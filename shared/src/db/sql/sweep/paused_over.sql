-- Paused plans whose last calls have ended are finished. $1 plans.
UPDATE plan p SET status = 6, finished_at = coalesce(p.finished_at, now()), parked = false
  FROM (SELECT p.id FROM unnest($1::bigint[]) AS w(id) JOIN plan p ON p.id = w.id
         WHERE p.status + 0 = 5 AND p.expanded AND p.n_open = 0 AND p.n_waiting = 0
         ORDER BY p.id FOR NO KEY UPDATE OF p) AS over
 WHERE p.id = over.id AND p.status + 0 = 5 AND p.expanded AND p.n_open = 0 AND p.n_waiting = 0
