-- Writes a judgement if nobody else has judged since: the share and breaker it was made from are still there.
-- $1 account, $2 share before, $3 open before, $4 share, $5 open for this many ms (NULL: closed), $6 trips, $7 usual time of a call in ms.
-- A breaker that closes starts counting anew: what opened it must not open it again.
UPDATE account_health
   SET share = $4, trips = $6, usual_ms = $7, breaker = CASE WHEN $5::double precision IS NULL THEN 0 ELSE 1 END,
       open_until = CASE WHEN $5::double precision IS NULL THEN open_until ELSE now() + $5::double precision * interval '1 ms' END,
       good = CASE WHEN $3::boolean AND $5::double precision IS NULL THEN 0 ELSE good END, bad = CASE WHEN $3::boolean AND $5::double precision IS NULL THEN 0 ELSE bad END
 WHERE account_id = $1 AND share = $2 AND (breaker = 1) = $3::boolean
   -- Calls that were under way when it opened say nothing new; a probe is let through with open_until five seconds ahead.
   AND NOT ($3::boolean AND open_until > now() + interval '5 s')
