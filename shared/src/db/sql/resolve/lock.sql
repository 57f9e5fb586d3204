-- A delivery and its plan, the delivery locked. $1 tenant, $2 plan, $3 when it was made, $4 slot, $5 recipient.
SELECT d.status, p.status AS plan_status, p.expires_at <= now() AS expired
  FROM plan p JOIN delivery d ON d.plan_id = p.id
 WHERE p.id = $2 AND p.tenant_id = $1 AND p.created_at = $3 AND p.purged_at IS NULL AND d.plan_id = $2 AND d.slot = $4 AND d.no = $5
   FOR NO KEY UPDATE OF d
