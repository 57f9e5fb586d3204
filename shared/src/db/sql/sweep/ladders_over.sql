-- Plans that were ended while ladders of them waited: their waits go, and where nothing else is open they are over. How many waits went.
-- Only when no job that has deliveries is to be had. $1 plans, $2 waits of each at most.
WITH gone AS (
    DELETE FROM job j USING (
        SELECT j.id FROM unnest($1::bigint[]) AS w(plan_id)
         CROSS JOIN LATERAL (SELECT j.id FROM job j WHERE j.plan_id = w.plan_id AND j.kind + 0 = 2 LIMIT $2 FOR UPDATE SKIP LOCKED) AS j) AS x
     WHERE j.id = x.id
    RETURNING j.id
), locked AS MATERIALIZED (
    SELECT p.id FROM unnest($1::bigint[]) AS w(id) JOIN plan p ON p.id = w.id
     WHERE p.untils IS NOT NULL AND p.finished_at IS NULL AND p.expanded AND p.n_open = 0 AND p.status + 0 IN (7, 8, 9)
     ORDER BY p.id FOR NO KEY UPDATE OF p
), over AS (
    UPDATE plan p SET finished_at = now() FROM locked l WHERE p.id = l.id AND p.finished_at IS NULL AND p.expanded AND p.n_open = 0
)
SELECT count(*) FROM gone
