-- Expand jobs of ended plans that never ran, or half: what they did not make will not be made, and reads as the plan's status says.
-- $1 plans.
WITH gone AS MATERIALIZED (
    DELETE FROM job j USING (
        SELECT j.id FROM unnest($1::bigint[]) AS w(plan_id)
         CROSS JOIN LATERAL (SELECT j.id FROM job j WHERE j.plan_id = w.plan_id AND j.kind + 0 = 0 AND j.state < 2
                              FOR UPDATE SKIP LOCKED) AS j) AS x
     WHERE j.id = x.id
    RETURNING j.plan_id
), locked AS MATERIALIZED (
    SELECT p.id FROM (SELECT DISTINCT plan_id FROM gone) AS g JOIN plan p ON p.id = g.plan_id ORDER BY p.id FOR NO KEY UPDATE OF p
)
UPDATE plan p SET expanded = true, finished_at = CASE WHEN p.n_open = 0 THEN coalesce(p.finished_at, now()) END
  FROM locked l WHERE p.id = l.id
