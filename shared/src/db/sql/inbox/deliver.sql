-- Puts one plan's message into many inboxes; what is there already stays as it is, so it may be repeated.
-- $1 tenant_id, $2 plan_id, $3 slot, $4 owners text[], $5 recipient numbers integer[] (same length and order as $4)
INSERT INTO inbox_message (tenant_id, owner, plan_id, slot, no)
SELECT $1, given.owner, $2, $3, given.no
  FROM unnest($4::text[], $5::integer[]) AS given (owner, no)
ON CONFLICT DO NOTHING
