-- The account new work of each channel uses first: enabled, usable ones before those that are down, then by order.
-- $1 tenant.
SELECT DISTINCT ON (channel) channel, id
FROM account
WHERE tenant_id = $1 AND enabled AND deleted_at IS NULL
ORDER BY channel, state = 2, failover_order, id
