-- Chosen jobs become published, unless they changed since they were read or somebody else has them in hand.
-- $1 jobs, $2 accounts (parallel), $3 visibility in ms.
WITH chosen AS MATERIALIZED (
    SELECT j.id, w.account_id
      FROM unnest($1::bigint[], $2::bigint[]) AS w(id, account_id)
      JOIN job j ON j.id = w.id
     WHERE j.kind + 0 = 1 AND j.state + 0 < 2 AND j.due_at <= now()
       FOR UPDATE OF j SKIP LOCKED
)
UPDATE job j
   SET account_id = c.account_id, state = 1, publishes = least(j.publishes + 1, 6),
       due_at = now() + $3::double precision * power(2, least(j.publishes, 5)) * interval '1 ms'
  FROM chosen c WHERE j.id = c.id
RETURNING j.id, j.account_id, j.units
