-- Frees a key taken in this transaction: its request was refused. $1 api key id, $2 route, $3 key.
DELETE FROM idempotency WHERE api_key_id = $1 AND route = $2 AND key = $3
