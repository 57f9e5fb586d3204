-- How many events subscriptions are still to be told of, counted up to $2 each, and the time of the oldest.
-- $1 internal ids, $2 most counted.
SELECT s.id, (SELECT count(*) FROM (SELECT FROM subscription_call c WHERE c.subscription_id = s.id LIMIT $2::bigint) AS counted) AS pending,
       (SELECT e.at FROM (SELECT c.event_id FROM subscription_call c WHERE c.subscription_id = s.id ORDER BY c.event_id LIMIT 1) AS first
          JOIN event e ON e.id = first.event_id) AS oldest
  FROM unnest($1::bigint[]) AS s(id)
