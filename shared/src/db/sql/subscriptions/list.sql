-- A tenant's subscriptions in the order they were made.
-- $1 tenant, $2 internal id to go on after, $3 most rows.
SELECT id, uid, url, kinds, secret, enabled, state, reason, failing_since, taken_at, created_at, updated_at FROM subscription WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3::bigint
