-- An account's token as it is. $1 account, $2 account version.
SELECT token, serial, coalesce(extract(epoch FROM expires_at - now()) * 1000, 0)::double precision AS valid_ms,
       coalesce(refreshing_until > now(), false) AS busy, refused_code
  FROM provider_token WHERE account_id = $1 AND version = $2
