-- Stores a file. $1 public id, $2 tenant, $3 name, $4 media type, $5 SHA-256, $6 bytes.
INSERT INTO file (uid, tenant_id, name, media_type, size, sha256, bytes) VALUES ($1, $2, $3, $4, length($6::bytea), $5, $6)
RETURNING id, uid, name, media_type, size, sha256, created_at
