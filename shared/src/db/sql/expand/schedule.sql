-- The expand job of a plan. $1 plan, $2 tenant, $3 lane, $4 recipients, $5 send_at or NULL for now.
INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
VALUES (nextval('job_id'), 0, $1, $2, 16, $3, $4, 1, $4, coalesce($5, now()))
