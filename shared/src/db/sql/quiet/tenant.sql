-- A tenant's zone, and the seconds over which what waited is spread. $1 tenant.
SELECT time_zone, extract(epoch FROM quiet_spread)::bigint FROM tenant WHERE id = $1
