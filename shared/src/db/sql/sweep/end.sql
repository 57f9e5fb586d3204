-- One chunk of the unclaimed jobs of an ended plan: their pending deliveries end, the jobs go. Returns the jobs.
-- The tally sets finished_at with the plan's last delivery. Who was not expanded has no delivery and reads as the plan's status says.
-- $1 plan, $2 its status, $3 jobs at most, $4 deliveries (the first job always fits).
WITH due AS (
    SELECT j.id, j.kind, j.slot, j.lo, j.hi, j.members, j.attempt, CASE WHEN j.kind = 1 THEN j.units ELSE 0 END AS units
      FROM job j
     WHERE j.plan_id = $1 AND j.state < 2
     LIMIT $3::bigint FOR UPDATE SKIP LOCKED
), ended AS MATERIALIZED (
    SELECT * FROM (SELECT due.*, sum(units) OVER (ORDER BY id) - units AS before FROM due) AS d WHERE before < $4
), moved AS (
    UPDATE delivery d
       SET status = CASE $2::smallint WHEN 9 THEN 9 ELSE 8 END,
           reason = CASE $2::smallint WHEN 7 THEN 'recalled' WHEN 8 THEN 'stopped' ELSE 'expired' END, updated_at = now()
      FROM ended e
     WHERE e.kind = 1 AND d.plan_id = $1 AND d.slot = e.slot AND d.no BETWEEN e.lo AND e.hi
       AND (e.members IS NULL OR d.no = ANY(e.members)) AND d.status = 0 AND d.attempt = e.attempt
), whole AS (
    -- An expand job that never ran, or half: what it did not make will not be made.
    UPDATE plan p SET expanded = true, finished_at = CASE WHEN p.n_open = 0 THEN now() END
     WHERE p.id = $1 AND EXISTS (SELECT FROM ended e WHERE e.kind = 0)
), gone AS (
    DELETE FROM job j USING ended e WHERE j.id = e.id
)
SELECT count(*) FROM ended
