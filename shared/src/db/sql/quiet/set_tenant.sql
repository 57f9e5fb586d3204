-- $1 tenant, $2 zone, $3 seconds.
UPDATE tenant SET time_zone = $2, quiet_spread = $3::bigint * interval '1 s' WHERE id = $1
