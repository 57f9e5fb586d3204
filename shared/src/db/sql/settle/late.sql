-- The truth about a call that was given up as unknown. Returns whether it could be used or changes nothing: it had been recorded before,
-- or a person settled the delivery meanwhile and nothing else of it has gone out.
-- $1 plan, $2 slot, $3 lo, $4 number, $5 status (3 sent, 5 failed), $6 reason, $7 outcome, $8 code, $9 detail, $10 provider ref.
-- Members that a sent call left out, parallel arrays: $11 nos, $12 outcomes, $13 codes, $14 details, $15 reasons (NULL: it may be tried again).
WITH corrected AS (
    UPDATE attempt SET outcome = coalesce($7::smallint, outcome), code = $8, detail = $9, provider_ref = $10
     WHERE plan_id = $1 AND slot = $2 AND lo = $3 AND number = $4 AND outcome = 3
    RETURNING plan_id, slot, lo, hi, members, number, account_id
), moved AS (
    UPDATE delivery d SET status = $5::smallint, reason = $6::text, updated_at = now(), account_id = c.account_id,
                          sent_at = CASE WHEN $5::smallint = 3 THEN now() ELSE d.sent_at END
      FROM corrected c
     WHERE d.plan_id = c.plan_id AND d.slot = c.slot AND d.no BETWEEN c.lo AND c.hi AND (c.members IS NULL OR d.no = ANY(c.members))
       AND d.no <> ALL($11::integer[])
       AND ((d.status = 6 AND d.attempt = c.number)
            -- A resend that waits: only the good news stops it, and only while no newer attempt is there.
            OR ($5::smallint = 3 AND d.status = 0 AND d.attempt = c.number + 1
                AND NOT EXISTS (SELECT FROM attempt n WHERE n.plan_id = d.plan_id AND n.slot = d.slot AND n.number = d.attempt
                                   AND n.lo BETWEEN d.no - 999 AND d.no AND n.hi >= d.no AND (n.members IS NULL OR d.no = ANY(n.members)))))
    RETURNING d.no
), left_out AS MATERIALIZED (
    SELECT c.*, e.* FROM corrected c
     CROSS JOIN unnest($11::integer[], $12::smallint[], $13::text[], $14::text[], $15::text[]) AS e(no, outcome, code, detail, reason)
     WHERE e.no BETWEEN c.lo AND c.hi AND (c.members IS NULL OR e.no = ANY(c.members))
), refused AS (
    UPDATE delivery d SET status = 5, reason = e.reason, updated_at = now(), account_id = e.account_id
      FROM left_out e
     WHERE d.plan_id = e.plan_id AND d.slot = e.slot AND d.no = e.no AND d.status = 6 AND d.attempt = e.number AND e.reason IS NOT NULL
    RETURNING d.no
), noted AS (
    INSERT INTO attempt_exception (plan_id, slot, lo, number, no, outcome, code, detail)
    SELECT plan_id, slot, lo, number, no, outcome, code, detail FROM left_out
    ON CONFLICT DO NOTHING
)
-- Read with this statement's snapshot, before the correction above.
SELECT EXISTS (SELECT FROM moved) OR EXISTS (SELECT FROM refused)
    OR EXISTS (SELECT FROM attempt WHERE plan_id = $1 AND slot = $2 AND lo = $3 AND number = $4 AND outcome = $7::smallint)
    OR EXISTS (SELECT FROM attempt a JOIN delivery d
                   ON d.plan_id = a.plan_id AND d.slot = a.slot AND d.no BETWEEN a.lo AND a.hi AND (a.members IS NULL OR d.no = ANY(a.members))
                WHERE a.plan_id = $1 AND a.slot = $2 AND a.lo = $3 AND a.number = $4 AND d.attempt = a.number
                  AND (d.status IN (3, 4)
                       -- Settled as failed, which may have opened another channel of a tier in mode first.
                       OR (d.status = 5 AND ($5::smallint <> 3 OR NOT EXISTS (
                              SELECT FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS s(slot)
                                JOIN delivery o ON o.plan_id = p.id AND o.slot = s.slot AND o.no = d.no
                               WHERE p.id = d.plan_id AND d.slot >> 4 = ANY(p.first_tiers)
                                 AND s.slot <> d.slot AND s.slot >> 4 = d.slot >> 4 AND o.status IN (0, 3, 4, 6))))))
