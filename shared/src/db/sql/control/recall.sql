-- Withdraws a plan, as halt.sql ends one; what went out of it is to be taken back, which the workers see to. Its new status.
-- One that waited for approval is over at once: nothing was made of it. $1 tenant, $2 plan, $3 statuses it may be in.
WITH recalled AS (
    UPDATE plan
       SET status = 7, epoch = epoch + 1, expanded = expanded OR status + 0 = 1,
           finished_at = CASE WHEN status + 0 = 1 THEN now() ELSE finished_at END,
           n_waiting = CASE WHEN status + 0 = 1 AND untils IS NOT NULL THEN n_recipients ELSE n_waiting END
     WHERE tenant_id = $1 AND id = $2 AND status + 0 = ANY($3::smallint[])
    RETURNING id, tenant_id, lane, status, started_at
), asked AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
    SELECT nextval('job_id'), 4, id, tenant_id, 0, lane, 0, 0, 0, now() FROM recalled WHERE started_at IS NOT NULL
)
SELECT status FROM recalled
