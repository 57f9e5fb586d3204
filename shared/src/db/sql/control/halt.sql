-- Moves a plan out of work, if it is in a state that allows it: O(1), claims and marks refuse from this commit on. Its new status.
-- One that waited for approval is over at once: nothing was made of it. $1 tenant, $2 plan, $3 statuses it may be in, $4 status it gets.
UPDATE plan
   SET status = $4::smallint, epoch = epoch + 1, parked = parked OR $4::smallint = 5, expanded = expanded OR status + 0 = 1,
       finished_at = CASE WHEN status + 0 = 1 THEN now() ELSE finished_at END,
       n_waiting = CASE WHEN status + 0 = 1 AND untils IS NOT NULL THEN n_recipients ELSE n_waiting END
 WHERE tenant_id = $1 AND id = $2 AND status + 0 = ANY($3::smallint[]) AND binned_at IS NULL
RETURNING status
