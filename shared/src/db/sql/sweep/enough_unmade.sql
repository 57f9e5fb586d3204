-- The expand job of a plan that has enough answers: what it did not make will not be made. $1 plan.
WITH gone AS MATERIALIZED (
    DELETE FROM job j USING (SELECT j.id FROM job j WHERE j.plan_id = $1 AND j.kind + 0 = 0 AND j.state < 2 FOR UPDATE SKIP LOCKED) AS x
     WHERE j.id = x.id
    RETURNING j.plan_id
)
UPDATE plan p
   SET expanded = true, started_at = coalesce(started_at, now()),
       status = CASE WHEN p.n_open = 0 AND p.n_waiting = 0 THEN 6 WHEN p.status = 3 THEN 4 ELSE p.status END,
       finished_at = CASE WHEN p.n_open = 0 AND p.n_waiting = 0 THEN now() END
 WHERE p.id = $1 AND p.status + 0 IN (3, 4, 5) AND EXISTS (SELECT FROM gone)
