-- Deliveries of a tenant that are due before a plan of this lane, by channel: jobs that wait, first due first, at most $3 of a lane and channel read.
-- $1 tenant, $2 lane, $3 most jobs.
SELECT c.channel, coalesce(sum(j.units), 0)::bigint AS people
  FROM generate_series(1, 10) AS c(channel)
 CROSS JOIN generate_series(0, $2::integer) AS l(lane)
 CROSS JOIN LATERAL (SELECT j.tenant_id, j.units FROM job j
                      WHERE j.kind = 1 AND j.lane = l.lane AND (j.slot & 15::smallint) = c.channel AND j.due_at < now() + interval '1 minute'
                      ORDER BY j.due_at LIMIT $3::bigint) AS j
 WHERE j.tenant_id = $1
 GROUP BY c.channel
