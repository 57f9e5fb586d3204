-- The owner has read a message of their inbox; the first time stands. No row: there is no such message.
-- $1 tenant, $2 owner, $3 plan, $4 when that was made, $5 slot, $6 recipient.
UPDATE inbox_message m
   SET read_at = coalesce(m.read_at, now())
 WHERE m.tenant_id = $1 AND m.owner = $2 AND m.plan_id = $3 AND m.slot = $5 AND m.no = $6
   AND EXISTS (SELECT FROM plan p WHERE p.id = $3 AND p.tenant_id = $1 AND p.created_at = $4)
RETURNING m.read_at, (SELECT coalesce(p.terms ? 'protected', false) FROM plan p WHERE p.id = $3) AS protected
