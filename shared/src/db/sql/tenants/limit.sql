-- Sets a tenant's limits. No row: there is no such tenant. $1 name, $2 limits.
UPDATE tenant SET limits = $2 WHERE name = $1 RETURNING id, uid
