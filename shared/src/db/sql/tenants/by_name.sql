-- The tenant of that name.
-- $1 name.
SELECT id, uid FROM tenant WHERE name = $1
