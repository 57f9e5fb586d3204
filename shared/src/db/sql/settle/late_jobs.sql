-- Resends that late news made needless: waiting jobs with nobody left in them. $1 plan, $2 slot, $3 the unknown attempt.
-- A statement of its own: its snapshot has the deliveries as late.sql left them. late_fence.sql holds the jobs' locks.
DELETE FROM job j
 WHERE j.plan_id = $1 AND j.slot = $2 AND j.attempt = $3::smallint + 1 AND j.kind = 1 AND j.state < 2
   AND NOT EXISTS (SELECT FROM delivery d
                    WHERE d.plan_id = j.plan_id AND d.slot = j.slot AND d.no BETWEEN j.lo AND j.hi
                      AND (j.members IS NULL OR d.no = ANY(j.members)) AND d.status = 0 AND d.attempt = j.attempt)
