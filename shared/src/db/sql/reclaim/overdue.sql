-- Claimed jobs past their backstop, and for how many seconds. $1 lanes, $2 channels (parallel), $3 how many seconds back to look.
-- By due time, not by the index of claimed jobs: that holds all of them.
SELECT j.id, extract(epoch FROM now() - j.due_at)::double precision FROM unnest($1::smallint[], $2::smallint[]) AS w(lane, channel)
 CROSS JOIN LATERAL (SELECT j.id, j.due_at FROM job j
                      WHERE j.kind = 1 AND j.lane = w.lane AND (j.slot & 15::smallint) = w.channel
                        AND j.due_at < now() AND j.due_at >= now() - $3::double precision * interval '1 s' AND j.state + 0 = 2
                      ORDER BY j.due_at LIMIT 500) AS j
 LIMIT 500
