-- Tells a subscription of a test at once, paused or not; one that is paused is tried this once. No row: not this tenant's.
-- $1 tenant, $2 public id.
WITH tried AS (
    UPDATE subscription SET next_at = now(), state = CASE state WHEN 2 THEN 1 ELSE state END
     WHERE tenant_id = $1 AND uid = $2
    RETURNING id, tenant_id
), noted AS (
    INSERT INTO event (tenant_id, kind, plan_id, slot, no, data)
    SELECT t.tenant_id, 0, 0, 0, 0, '{}' FROM tried t
    RETURNING id, uid
), put AS (
    INSERT INTO subscription_call (subscription_id, event_id) SELECT t.id, n.id FROM tried t CROSS JOIN noted n
)
SELECT uid FROM noted
