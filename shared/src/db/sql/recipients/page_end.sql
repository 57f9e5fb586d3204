-- The last recipient a scan of $4 rows came to; no row: there are no more.
-- $1 tenant, $2 plan, $3 recipients after this one, $4 rows read.
SELECT no FROM recipient
WHERE plan_id = $2 AND no > $3 AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
ORDER BY no
OFFSET $4::bigint - 1 LIMIT 1
