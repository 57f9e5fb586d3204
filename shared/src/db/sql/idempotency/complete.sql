-- Keeps the answer of the request that took the key, in the same transaction.
-- $1 API key, $2 route, $3 Idempotency-Key, $4 status, $5 Location or NULL, $6 body.
UPDATE idempotency SET status = $4, location = $5, body = $6
WHERE api_key_id = $1 AND route = $2 AND key = $3
