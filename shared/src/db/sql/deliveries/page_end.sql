-- The last recipient a scan of $5 rows came to; no row: there are no more in this slot.
-- $1 tenant, $2 plan, $3 slot, $4 recipients after this one, $5 rows read.
SELECT no FROM delivery
WHERE plan_id = $2 AND slot = $3 AND no > $4 AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
ORDER BY no
OFFSET $5::bigint - 1 LIMIT 1
