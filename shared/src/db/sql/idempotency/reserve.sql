-- Takes an Idempotency-Key; a parallel holder is waited for (lock_timeout). No row: it is taken.
-- $1 API key, $2 route, $3 Idempotency-Key, $4 hash of the body.
INSERT INTO idempotency (api_key_id, route, key, hash, status, body)
VALUES ($1, $2, $3, $4, 0, '')
ON CONFLICT (api_key_id, route, key) DO UPDATE
SET hash = excluded.hash, status = 0, location = NULL, body = '', created_at = now()
WHERE idempotency.created_at <= now() - interval '24 hours'
RETURNING 1
