-- The attempts of one delivery, first to last.
-- $1 tenant, $2 plan, $3 slot, $4 recipient, $5 most recipients of one call on this channel.
SELECT a.number, c.uid AS account, a.outcome, a.code, a.detail, a.started_at, a.ended_at
FROM attempt a
LEFT JOIN account c ON c.id = a.account_id AND c.tenant_id = $1
WHERE a.plan_id = $2 AND a.slot = $3 AND a.lo BETWEEN $4::integer - $5::integer + 1 AND $4 AND a.hi >= $4
  AND (a.members IS NULL OR $4 = ANY (a.members))
  AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
ORDER BY a.number, a.started_at
