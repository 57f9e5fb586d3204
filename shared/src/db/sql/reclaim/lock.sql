-- Locks a claimed job whose run has ended, or which is past its backstop. $1 job.
SELECT j.id FROM job j
 WHERE j.id = $1 AND j.state = 2
   AND (j.due_at < now() OR EXISTS (SELECT FROM worker_incarnation w WHERE w.id = j.incarnation_id AND w.ended_at IS NOT NULL))
   FOR UPDATE OF j
