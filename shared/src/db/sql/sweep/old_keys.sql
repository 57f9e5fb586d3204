-- Idempotency keys that no longer bind.
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at < now() - interval '24 hours' LIMIT 1000))
