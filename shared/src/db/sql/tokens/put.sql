-- A fetched token; ends the lease. $1 account, $2 account version, $3 sealed token, $4 ms it may be used.
UPDATE provider_token
   SET token = $3, serial = serial + 1, expires_at = now() + $4::double precision * interval '1 ms', refreshing_until = NULL, refused_code = NULL
 WHERE account_id = $1 AND version = $2
RETURNING serial
