-- Opens attempts for further calls of claimed jobs; returns the position (from 1) of those that may go out.
-- $1 job ids, $2 tokens, $3 members as array text (parallel arrays), $4 incarnation.
-- Repeatable when the answer was lost: an attempt this run has open already counts as opened.
-- FOR SHARE: reclaim and recall must see this mark, or this mark them.
WITH want AS MATERIALIZED (
    SELECT ord, job_id, token, members::integer[] AS members
      FROM unnest($1::bigint[], $2::integer[], $3::text[]) WITH ORDINALITY AS w(job_id, token, members, ord)
), held AS MATERIALIZED (
    SELECT j.id, j.token, j.plan_id, j.tenant_id, j.slot, j.attempt, j.account_id
      FROM job j WHERE j.id = ANY($1) AND j.state + 0 = 2 AND j.incarnation_id + 0 = $4 ORDER BY j.id FOR SHARE
), running AS MATERIALIZED (
    SELECT w.ord, w.members, h.*, p.untils IS NOT NULL AS ladder,
           (SELECT true FROM quiet_window q WHERE q.tenant_id = h.tenant_id AND q.channel = h.slot & 15 LIMIT 1) IS NOT NULL AS hushed,
           p.lane + 0 = 0 OR coalesce(p.terms ->> 'quiet' = 'ignore', false) AS excepted
      FROM want w
      JOIN held h ON h.id = w.job_id AND h.token = w.token
      JOIN plan p ON p.id = h.plan_id AND (p.status + 0 = 4 OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now() AND (p.enough_at IS NULL OR h.slot >> 4 > 127)
), stopped AS MATERIALIZED (
    -- Somebody has read or answered (plans with ladders), is none of those a reminder is for any more, or must not be written to now
    -- (tenants with quiet hours). The call is not made; the next claim leaves them out.
    SELECT DISTINCT w.ord FROM running w
      CROSS JOIN LATERAL unnest(w.members) AS m(no)
      CROSS JOIN LATERAL (SELECT r.result, r.time_zone FROM recipient r
                           WHERE (w.ladder OR w.hushed OR w.slot >= 2048) AND r.plan_id = w.plan_id AND r.no = m.no OFFSET 0) AS r
     WHERE CASE WHEN w.slot >= 2048 THEN reminder_over(w.plan_id, w.slot, m.no) ELSE w.ladder AND r.result IN (1, 2) END
        OR CASE WHEN w.hushed THEN quiet_until(w.tenant_id, w.slot & 15, r.time_zone, now(), w.excepted) IS NOT NULL ELSE false END
), opened AS (
    INSERT INTO attempt (plan_id, slot, lo, number, hi, members, job_id, incarnation_id, account_id)
    SELECT w.plan_id, w.slot, w.members[1], w.attempt, w.members[cardinality(w.members)],
           CASE WHEN w.members[cardinality(w.members)] - w.members[1] + 1 <> cardinality(w.members) THEN w.members END,
           w.id, $4, w.account_id
      FROM running w WHERE NOT EXISTS (SELECT FROM stopped s WHERE s.ord = w.ord)
    ON CONFLICT (plan_id, slot, lo, number) DO UPDATE SET started_at = now()
     WHERE attempt.ended_at IS NULL AND attempt.job_id = excluded.job_id AND attempt.incarnation_id = excluded.incarnation_id
    RETURNING job_id, lo
)
SELECT w.ord FROM want w JOIN opened o ON o.job_id = w.job_id AND o.lo = w.members[1]
