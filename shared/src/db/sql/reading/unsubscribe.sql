-- The mail address of a recipient gets no more of the plan's owner's mail. One row back when there is such a recipient.
-- $1 plan, $2 recipient.
WITH person AS (
    SELECT p.tenant_id, lower(r.addresses ->> 'email') AS address
      FROM plan p JOIN recipient r ON r.plan_id = p.id
     WHERE p.id = $1 AND r.no = $2 AND r.addresses ? 'email'
), noted AS (
    INSERT INTO unsubscribed (tenant_id, address, plan_id, no)
    SELECT tenant_id, address, $1, $2 FROM person
    ON CONFLICT DO NOTHING
)
SELECT 1 FROM person
