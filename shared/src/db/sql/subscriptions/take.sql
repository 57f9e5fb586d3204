-- Takes subscriptions that have something due and that no other worker is calling.
-- $1 length of the lease in ms, $2 most, $3 those that this worker is calling already.
WITH free AS MATERIALIZED (
    SELECT s.id FROM subscription s
     WHERE s.enabled AND s.state <> 2 AND s.next_at <= now() AND coalesce(s.leased_until <= now(), true) AND s.id <> ALL($3::bigint[])
       AND EXISTS (SELECT FROM subscription_call c WHERE c.subscription_id = s.id AND c.due_at <= now())
     ORDER BY s.next_at, s.id
     LIMIT $2::bigint FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE subscription s SET lease = s.lease + 1, leased_until = now() + $1::double precision * interval '1 ms'
  FROM free f WHERE s.id = f.id
RETURNING s.id, s.uid, s.lease
