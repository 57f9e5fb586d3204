-- Makes an account, verified (state 0, no reason) or not.
-- $1 public id, $2 tenant, $3 name, $4 channel, $5 provider, $6 settings, $7 sealed secret or NULL, $8 limits,
-- $9 order, $10 enabled, $11 price, $12 state, $13 reason or NULL, $14 weight.
INSERT INTO account (uid, tenant_id, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, weight)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
RETURNING id, uid, name, channel, provider, settings, secret, limits, failover_order, enabled, price, state, reason, since, created_at, updated_at, weight
