-- Changes an account unless somebody else did so since it was read (no row then). The version moves when a worker's
-- copy of settings, secret or limits is out of date.
-- $1 tenant, $2 public id, $3 updated_at as read, $4 name, $5 settings, $6 sealed secret or NULL, $7 limits, $8 order,
-- $9 enabled, $10 price, $11 state, $12 reason or NULL, $13 weight.
-- State 1 is the fleet's (a pause in account_health), not the owner's: it is not written. A verified account starts as healthy.
WITH healed AS (
    UPDATE account_health h SET share = 1, breaker = 0, trips = 0, good = 0, bad = 0
      FROM account a WHERE a.tenant_id = $1 AND a.uid = $2 AND a.state <> $11::smallint AND $11::smallint = 0 AND h.account_id = a.id
)
UPDATE account
SET name = $4, settings = $5, secret = $6, limits = $7, failover_order = $8, enabled = $9, price = $10,
    weight = $13,
    since = CASE WHEN $11::smallint IN (state, 1) THEN since ELSE now() END,
    state = CASE WHEN $11::smallint = 1 THEN state ELSE $11::smallint END, reason = CASE WHEN $11::smallint = 1 THEN reason ELSE $12::text END,
    version = version + CASE WHEN settings = $5 AND secret IS NOT DISTINCT FROM $6 AND limits = $7 THEN 0 ELSE 1 END,
    updated_at = greatest(now(), updated_at + interval '1 microsecond')
WHERE tenant_id = $1 AND uid = $2 AND deleted_at IS NULL AND updated_at = $3
RETURNING id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at, weight
