-- The last id a scan of $3 rows came to; no row: there are no more.
-- $1 tenant, $2 ids below this one, $3 rows read.
SELECT id FROM plan WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC OFFSET $3::bigint - 1 LIMIT 1
