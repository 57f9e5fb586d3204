-- What is due in a lane, counted up to 10,000. $1 lane, $2 kinds, $3 channels (0 for expand jobs; parallel), $4 how many seconds back to look.
SELECT count(*), coalesce(extract(epoch FROM now() - min(d.due_at)), 0)::double precision
  FROM (SELECT j.due_at FROM unnest($2::smallint[], $3::smallint[]) AS w(kind, channel)
         CROSS JOIN LATERAL (SELECT j.due_at FROM job j
                              WHERE j.kind = w.kind AND j.lane = $1 AND (j.slot & 15::smallint) = w.channel
                                AND j.due_at <= now() AND j.due_at >= now() - $4::double precision * interval '1 s' AND j.state < 2
                              ORDER BY j.due_at LIMIT 10000) AS j
         LIMIT 10000) AS d
