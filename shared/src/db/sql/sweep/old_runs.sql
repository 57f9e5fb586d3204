-- Runs of workers that ended a day ago and hold nothing.
DELETE FROM worker_incarnation w
 WHERE w.ended_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM job j WHERE j.state = 2 AND j.incarnation_id = w.id)
