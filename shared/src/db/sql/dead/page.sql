-- Failed deliveries of one slot of a plan in order of recipient, with what their last attempt came to. At most $5 rows are read.
-- $1 tenant, $2 plan, $3 slot, $4 recipients after this one, $5 most rows read, $6 most rows, $7 reason or NULL, $8 account or NULL,
-- $9 failed after or NULL, $10 failed before or NULL, $11 most recipients of one call on this channel.
WITH scan AS MATERIALIZED (
    SELECT no, status, attempt, reason, account_id, updated_at
    FROM delivery
    WHERE plan_id = $2 AND slot = $3 AND no > $4
      AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
    ORDER BY no
    LIMIT $5::bigint
)
SELECT s.no, s.reason, s.attempt, s.updated_at, c.uid AS account, t.code, t.detail
FROM scan s
LEFT JOIN account c ON c.id = s.account_id AND c.tenant_id = $1
LEFT JOIN LATERAL (
    SELECT a.code, a.detail
    FROM attempt a
    WHERE a.plan_id = $2 AND a.slot = $3 AND a.lo BETWEEN s.no - $11::integer + 1 AND s.no AND a.hi >= s.no
      AND (a.members IS NULL OR s.no = ANY (a.members)) AND a.number <= s.attempt
    ORDER BY a.number DESC
    LIMIT 1
) t ON true
WHERE s.status = 5
  AND ($7::text IS NULL OR s.reason = $7)
  AND ($8::uuid IS NULL OR c.uid = $8)
  AND ($9::timestamptz IS NULL OR s.updated_at > $9)
  AND ($10::timestamptz IS NULL OR s.updated_at < $10)
ORDER BY s.no
LIMIT $6::bigint
