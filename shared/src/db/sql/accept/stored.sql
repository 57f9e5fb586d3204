-- The answer kept under an idempotency key. $1 api key id, $2 route, $3 key.
SELECT hash, status, location, body FROM idempotency WHERE api_key_id = $1 AND route = $2 AND key = $3
