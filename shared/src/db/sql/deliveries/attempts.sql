-- The attempts of one delivery, first to last.
-- $1 tenant, $2 plan, $3 slot, $4 recipient, $5 most recipients of one call on this channel.
-- Where a sent batch left this recipient out, the attempt reads as theirs, not as the batch's.
SELECT a.number, c.uid AS account, coalesce(x.outcome, a.outcome) AS outcome, coalesce(x.code, a.code) AS code,
       coalesce(x.detail, a.detail) AS detail, a.started_at, a.ended_at
FROM attempt a
LEFT JOIN attempt_exception x ON x.plan_id = a.plan_id AND x.slot = a.slot AND x.lo = a.lo AND x.number = a.number AND x.no = $4
LEFT JOIN account c ON c.id = a.account_id AND c.tenant_id = $1
WHERE a.plan_id = $2 AND a.slot = $3 AND a.lo BETWEEN $4::integer - $5::integer + 1 AND $4 AND a.hi >= $4
  AND (a.members IS NULL OR $4 = ANY (a.members))
  AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
ORDER BY a.number, a.started_at
