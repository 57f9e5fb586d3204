-- A pattern that was approved is scheduled, whatever time it is by then: what of it has passed is its series' business (0040).
CREATE OR REPLACE FUNCTION start_plan(the_plan bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE plan
       SET status = CASE WHEN send_at > now() OR coalesce(terms ? 'recurrence', false) THEN 3 ELSE 4 END, epoch = epoch + 1,
           n_waiting = CASE WHEN untils IS NULL OR terms ? 'recurrence' THEN 0 ELSE n_recipients END
     WHERE id = the_plan;
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
    SELECT nextval('job_id'), 0, p.id, p.tenant_id, 16, p.lane, p.n_recipients, 1, p.n_recipients, coalesce(p.send_at, now())
      FROM plan p WHERE p.id = the_plan;
$$;
