-- Renews a lease. No row: it was lost, or nothing is to be told now (disabled, deleted, paused, waiting).
-- $1 subscription, $2 lease, $3 length in ms.
UPDATE subscription SET leased_until = now() + $3::double precision * interval '1 ms'
 WHERE id = $1 AND lease = $2 AND enabled AND state <> 2 AND next_at <= now()
RETURNING url, secret, failures
