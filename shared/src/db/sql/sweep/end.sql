-- One chunk of the unclaimed jobs of ended plans: their pending deliveries end, the jobs go. Returns the jobs.
-- The tally sets finished_at with a plan's last delivery, and locks the plans in the order of their ids.
-- A plan that runs on has enough answers: what is left of its ladders is not needed.
-- $1 plans, $2 their statuses (parallel), $3 jobs of each at most, $4 jobs at most, $5 deliveries (the first job always fits).
-- Job by job, its deliveries by key range: left free, a plan made for few deliveries reads all of a plan's.
WITH due AS MATERIALIZED (
    SELECT j.*, w.status FROM unnest($1::bigint[], $2::smallint[]) AS w(plan_id, status)
     CROSS JOIN LATERAL (SELECT j.id, j.plan_id, j.slot, j.lo, j.hi, j.members, j.attempt, j.units FROM job j
                          WHERE j.plan_id = w.plan_id AND j.state < 2 AND j.kind + 0 = 1
                            AND (w.status > 6 OR j.slot >> 4 < 128) LIMIT $3 FOR UPDATE SKIP LOCKED) AS j
     LIMIT $4
), ended AS MATERIALIZED (
    SELECT * FROM (SELECT due.*, sum(units) OVER (ORDER BY id) - units AS before FROM due) AS d WHERE before < $5
), pending AS MATERIALIZED (
    SELECT d.plan_id, d.slot, d.no, e.attempt, e.status FROM ended e
     CROSS JOIN LATERAL (SELECT d.plan_id, d.slot, d.no FROM delivery d
                          WHERE d.plan_id = e.plan_id AND d.slot = e.slot AND d.no BETWEEN e.lo AND e.hi
                            AND (e.members IS NULL OR d.no = ANY(e.members)) AND d.status = 0 AND d.attempt = e.attempt OFFSET 0) AS d
), moved AS (
    UPDATE delivery d
       SET status = CASE p.status WHEN 9 THEN 9 ELSE 8 END,
           reason = CASE p.status WHEN 7 THEN 'recalled' WHEN 8 THEN 'stopped' WHEN 9 THEN 'expired' ELSE 'not_needed' END, updated_at = now()
      FROM pending p
     WHERE d.plan_id = p.plan_id AND d.slot = p.slot AND d.no = p.no AND d.status = 0 AND d.attempt = p.attempt
), gone AS (
    DELETE FROM job j USING ended e WHERE j.id = e.id
)
SELECT count(*) FROM ended
