-- Asks for a round: the reminder, the job that chooses its people, and a finished plan runs again. A stopped one stays as it is: its
-- ladders stay ended, and only what is asked for now goes out. A plan whose time is over gets the usual time anew.
-- $1 plan, $2 tenant, $3 step, $4 who, $5 slots, $6 first position, $7 last position, $8 people named one by one, or NULL.
WITH asked AS (
    INSERT INTO reminder (plan_id, step, who, slots) VALUES ($1, $3, $4, $5)
), scheduled AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, members, due_at)
    SELECT nextval('job_id'), 0, p.id, $2, ($3::integer * 16)::smallint, p.lane, $7::integer - $6::integer + 1, $6, $7, $8, now()
      FROM plan p WHERE p.id = $1
)
UPDATE plan p
   SET status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = CASE p.status WHEN 8 THEN p.finished_at END, expanded = false,
       expires_at = CASE WHEN p.expires_at > now() THEN p.expires_at WHEN p.lane = 0 THEN now() + interval '24 hours' ELSE now() + interval '72 hours' END
 WHERE p.id = $1
