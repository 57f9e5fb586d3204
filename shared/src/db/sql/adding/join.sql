-- People who were added to a plan that was sent become part of it, and a job of kind 0 starts them at tier 1, when the plan starts or now.
-- A finished plan runs again; one whose time is over gets the usual time anew, and its waits. No row: it was ended meanwhile, or has had enough answers.
-- $1 plan, $2 people (more than none), $3 rows that were somebody already.
WITH joined AS (
    UPDATE plan p
       SET n_recipients = p.n_recipients + $2, n_duplicates = p.n_duplicates + $3,
           n_waiting = p.n_waiting + CASE WHEN p.untils IS NULL THEN 0 ELSE $2::integer END,
           status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = NULL, expanded = false,
           expires_at = CASE WHEN p.expires_at > now() THEN p.expires_at
                             ELSE now() + CASE p.lane WHEN 0 THEN interval '24 hours' ELSE interval '72 hours' END
                                  + coalesce((SELECT sum(w.ms) FROM unnest(p.waits) AS w(ms)), 0)::double precision * interval '1 ms' END
     WHERE p.id = $1 AND p.enough_at IS NULL AND (p.status + 0 = 6 OR p.status + 0 IN (3, 4, 5) AND p.expires_at > now())
    RETURNING p.id, p.tenant_id, p.lane, p.n_recipients, p.send_at, p.started_at
)
INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
SELECT nextval('job_id'), 0, j.id, j.tenant_id, 16, j.lane, $2, j.n_recipients - $2 + 1, j.n_recipients,
       CASE WHEN j.started_at IS NULL THEN greatest(j.send_at, now()) ELSE now() END
  FROM joined j
RETURNING id
