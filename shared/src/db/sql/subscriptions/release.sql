-- Gives a subscription back.
-- $1 subscription, $2 lease, $3 ms until somebody may look at it again.
UPDATE subscription SET leased_until = NULL, next_at = greatest(next_at, now() + $3::double precision * interval '1 ms') WHERE id = $1 AND lease = $2
