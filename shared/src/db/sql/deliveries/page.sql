-- Deliveries of one slot of a plan in order of recipient, with the status their owner sees: pending reads as sending under
-- an open attempt and as queued under a job that is published or claimed. At most $5 rows are read.
-- $1 tenant, $2 plan, $3 slot, $4 recipients after this one, $5 most rows read, $6 most rows, $7 status or NULL,
-- $8 most recipients of one call on this channel (an attempt covering no starts at no - $8 + 1 or later).
WITH scan AS MATERIALIZED (
    SELECT no, status, attempt, reason, account_id, created_at, updated_at, sent_at
    FROM delivery
    WHERE plan_id = $2 AND slot = $3 AND no > $4
      AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
    ORDER BY no
    LIMIT $5::bigint
), held AS MATERIALIZED (
    SELECT lo, hi, members, attempt FROM job WHERE plan_id = $2 AND slot = $3 AND kind = 1 AND state IN (1, 2)
)
SELECT s.no, seen.status, s.reason, s.created_at, s.updated_at, s.sent_at, c.uid AS account,
       t.tries::integer AS attempts, t.provider_ref
FROM scan s
CROSS JOIN LATERAL (
    SELECT count(*) AS tries, coalesce(bool_or(a.ended_at IS NULL AND a.number = s.attempt), false) AS open,
           (array_agg(a.provider_ref ORDER BY a.number DESC) FILTER (WHERE a.provider_ref IS NOT NULL
             -- Whoever a batch left out got no message. What is sent was not left out of its last attempt.
             AND (s.status IN (3, 4) OR NOT EXISTS (SELECT FROM attempt_exception x WHERE x.plan_id = a.plan_id AND x.slot = a.slot
                                                       AND x.lo = a.lo AND x.number = a.number AND x.no = s.no))))[1] AS provider_ref
    FROM attempt a
    WHERE a.plan_id = $2 AND a.slot = $3 AND a.lo BETWEEN s.no - $8::integer + 1 AND s.no AND a.hi >= s.no
      AND (a.members IS NULL OR s.no = ANY (a.members))
) t
CROSS JOIN LATERAL (
    SELECT (CASE
        WHEN s.status <> 0 THEN s.status
        WHEN t.open THEN 2
        WHEN EXISTS (SELECT FROM held h WHERE s.no BETWEEN h.lo AND h.hi AND h.attempt = s.attempt
                       AND (h.members IS NULL OR s.no = ANY (h.members))) THEN 1
        ELSE 0 END)::smallint AS status
) seen
LEFT JOIN account c ON c.id = s.account_id AND c.tenant_id = $1
WHERE ($7::smallint IS NULL OR s.status = CASE WHEN $7 IN (1, 2) THEN 0 ELSE $7 END)
  AND ($7 IS NULL OR seen.status = $7)
ORDER BY s.no
LIMIT $6::bigint
