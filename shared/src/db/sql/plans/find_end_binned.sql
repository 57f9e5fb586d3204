-- As find_end.sql, of a scan by find_binned.sql.
-- $1 tenant, $2 ids below this one, $3 rows read.
SELECT id FROM plan WHERE tenant_id = $1 AND id < $2 AND binned_at IS NOT NULL AND purged_at IS NULL ORDER BY id DESC OFFSET $3::bigint - 1 LIMIT 1
