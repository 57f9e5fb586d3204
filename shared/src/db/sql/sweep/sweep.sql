-- One chunk of the unclaimed jobs of ended plans: their pending deliveries end, the jobs go. Returns the jobs swept.
-- The tally sets finished_at with the plan's last delivery.
WITH ended AS MATERIALIZED (
    SELECT j.id, j.kind, j.plan_id, j.slot, j.lo, j.hi, j.members, j.attempt, p.status
      FROM plan p JOIN job j ON j.plan_id = p.id
     WHERE p.status IN (7, 8, 9) AND p.finished_at IS NULL AND j.state < 2
     ORDER BY j.id LIMIT 50 FOR UPDATE OF j SKIP LOCKED
), moved AS (
    UPDATE delivery d
       SET status = CASE e.status WHEN 9 THEN 9 ELSE 8 END,
           reason = CASE e.status WHEN 7 THEN 'recalled' WHEN 8 THEN 'stopped' ELSE 'expired' END, updated_at = now()
      FROM ended e
     WHERE e.kind = 1 AND d.plan_id = e.plan_id AND d.slot = e.slot AND d.no BETWEEN e.lo AND e.hi
       AND (e.members IS NULL OR d.no = ANY(e.members)) AND d.status = 0 AND d.attempt = e.attempt
), whole AS (
    -- An expand job that never ran, or half: what it did not make will not be made.
    UPDATE plan p SET expanded = true, finished_at = CASE WHEN p.n_open = 0 THEN now() END FROM ended e WHERE e.kind = 0 AND p.id = e.plan_id
), gone AS (
    DELETE FROM job j USING ended e WHERE j.id = e.id
)
SELECT count(*) FROM ended
