-- What is due in a lane, counted up to 10,000. $1 lane.
SELECT count(*), coalesce(extract(epoch FROM now() - min(due_at)), 0)::double precision
  FROM (SELECT due_at FROM job WHERE lane = $1 AND kind IN (0, 1) AND due_at <= now() AND state < 2 LIMIT 10000) AS d
