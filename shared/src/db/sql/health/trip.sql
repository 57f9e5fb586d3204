-- The account is at fault by its provider's own words: the breaker opens at once.
-- $1 account, $2 first wait before a probe in ms, $3 longest in ms, $4 version of the settings that failed.
-- Calls that were under way when it opened do not open it again: their failures say nothing new.
INSERT INTO account_health AS h (account_id, share, breaker, open_until, trips)
SELECT a.id, 0, 1, now() + $2::double precision * interval '1 ms', 1 FROM account a WHERE a.id = $1 AND a.version = $4
ON CONFLICT (account_id) DO UPDATE
   SET share = 0, breaker = 1, trips = least(h.trips + 1, 16),
       open_until = now() + least($2::double precision * power(2, least(h.trips, 16)), $3::double precision) * interval '1 ms'
 WHERE h.breaker = 0 OR h.open_until <= now() + interval '5 s'
