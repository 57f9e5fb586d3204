-- Makes a tenant. No row: the name is taken.
-- $1 public id, $2 name.
INSERT INTO tenant (uid, name) VALUES ($1, $2)
ON CONFLICT (name) DO NOTHING
RETURNING id
