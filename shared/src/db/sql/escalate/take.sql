-- Due steps of ladders of a lane, oldest first, locked until they have fired; and for how many seconds each has been due.
-- $1 lane, $2 how many seconds back to look, $3 jobs at most, $4 recipients (the first job always fits).
-- Those of paused plans wait for the sweep, which parks them; those of ended plans fire to nobody.
SELECT t.id, t.age FROM (
    SELECT j.id, j.age, sum(j.units) OVER (ORDER BY j.due_at, j.id) - j.units AS before FROM (
        SELECT j.id, j.units, j.due_at, extract(epoch FROM now() - j.due_at)::double precision AS age
          FROM job j JOIN plan p ON p.id = j.plan_id
         WHERE j.kind = 2 AND j.lane = $1 AND (j.slot & 15::smallint) = 0 AND j.due_at <= now()
           AND j.due_at >= now() - $2::double precision * interval '1 s' AND j.state + 0 = 0 AND p.status + 0 <> 5
         ORDER BY j.due_at LIMIT $3 FOR UPDATE OF j SKIP LOCKED) AS j) AS t
 WHERE t.before < $4 ORDER BY t.id
