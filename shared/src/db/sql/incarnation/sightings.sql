-- Runs of workers a reclaimer must know: alive by their own account, or ended with claimed jobs left.
SELECT w.id, w.beat, w.ended_at IS NOT NULL
  FROM worker_incarnation w
 WHERE w.ended_at IS NULL
    OR EXISTS (SELECT FROM job j WHERE j.state = 2 AND j.incarnation_id = w.id)
