-- A paused plan goes on where it was: before its time, running, or over when its last calls have ended meanwhile.
-- $1 tenant, $2 plan.
UPDATE plan
   SET status = CASE WHEN expanded AND n_open = 0 AND n_waiting = 0 THEN 6 WHEN started_at IS NULL AND (send_at > now() OR terms ? 'recurrence') THEN 3 ELSE 4 END,
       finished_at = CASE WHEN expanded AND n_open = 0 AND n_waiting = 0 THEN coalesce(finished_at, now()) END, epoch = epoch + 1,
       resumed_at = now()
 WHERE tenant_id = $1 AND id = $2 AND status + 0 = 5
RETURNING status
