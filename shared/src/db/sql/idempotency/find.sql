-- The first answer to a request with this key, for 24 h.
-- $1 API key, $2 route, $3 Idempotency-Key.
SELECT hash, status, location, body
FROM idempotency
WHERE api_key_id = $1 AND route = $2 AND key = $3 AND created_at > now() - interval '24 hours'
