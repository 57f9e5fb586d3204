-- The fetch failed: nobody tries again for a while. $1 account, $2 account version, $3 code, $4 pause in ms.
UPDATE provider_token SET refreshing_until = now() + $4::double precision * interval '1 ms', refused_code = $3
 WHERE account_id = $1 AND version = $2
