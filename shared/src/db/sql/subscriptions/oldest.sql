-- For how many seconds the oldest event waits to be told to a subscription that is not paused.
SELECT coalesce(max(extract(epoch FROM now() - e.at)), 0)::double precision AS seconds
  FROM subscription s
 CROSS JOIN LATERAL (SELECT c.event_id FROM subscription_call c WHERE c.subscription_id = s.id ORDER BY c.event_id LIMIT 1) AS first
  JOIN event e ON e.id = first.event_id
 WHERE s.enabled AND s.state <> 2
