-- As find_end.sql, of a scan by find_status.sql.
-- $1 tenant, $2 ids below this one, $3 rows read, $4 status.
SELECT id FROM plan WHERE tenant_id = $1 AND id < $2 AND status IN (0, 1, 2, 3, 5, 7, 8, 9) AND status = $4::smallint ORDER BY id DESC OFFSET $3::bigint - 1 LIMIT 1
