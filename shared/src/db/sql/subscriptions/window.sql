-- What a subscription is to be told next, in order. Of a plan that is gone nothing is told.
-- $1 subscription, $2 most.
SELECT c.event_id, c.attempts, c.due_at <= now() AS is_due, e.uid, e.kind, e.at, e.plan_id, e.slot, e.no, e.data,
       p.created_at AS plan_created_at, p.reference, r.key
  FROM (SELECT x.event_id, x.attempts, x.due_at FROM subscription_call x WHERE x.subscription_id = $1 ORDER BY x.event_id LIMIT $2::bigint) AS c
  LEFT JOIN event e ON e.id = c.event_id
  LEFT JOIN plan p ON p.id = e.plan_id
  LEFT JOIN recipient r ON r.plan_id = e.plan_id AND r.no = e.no
 ORDER BY c.event_id
