-- A tenant's plans with failed deliveries, newest first. $1 tenant, $2 up to this id, $3 only this plan or NULL, $4 most plans.
SELECT id, created_at, slots, steps
  FROM plan
 WHERE tenant_id = $1 AND id <= $2 AND dead AND binned_at IS NULL AND ($3::bigint IS NULL OR id = $3)
 ORDER BY id DESC
 LIMIT $4::bigint
