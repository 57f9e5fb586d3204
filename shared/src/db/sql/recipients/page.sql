-- Recipients of a plan in order, with what became of each on every channel. At most $5 rows are read.
-- $1 tenant, $2 plan, $3 the plan's slots, $4 recipients after this one, $5 most rows read, $6 most rows,
-- $7 reach (pending, reached, unreachable, cancelled, unknown) or NULL, $8 only with a failed delivery, $9 read or not, or NULL,
-- $10 answered or not, or NULL, $11 lower-case part of key or name, or NULL.
-- $12 channels whose providers may take messages back: of a recalled plan, what became of what was sent on them (withdrawn).
-- Whoever was not expanded when the plan was ended has no delivery and is cancelled; ended: the plan's status then. Whose ladder is open
-- is pending, unless reached; whose was cut off, or not needed (7), is cancelled, unless reached or unknown.
WITH scan AS MATERIALIZED (
    SELECT no, key, name, addresses, tier, result, next_at, read_at, read_channel, answer, answer_text, answered_at
    FROM recipient
    WHERE plan_id = $2 AND no > $4 AND EXISTS (SELECT FROM plan WHERE id = $2 AND tenant_id = $1)
    ORDER BY no
    LIMIT $5::bigint
)
SELECT s.no, s.key, s.name, s.addresses, coalesce(p.steps[s.tier] >> 6, s.tier)::smallint AS tier, coalesce(p.steps[s.tier] & 63, 1)::smallint AS round,
       s.result, s.next_at, p.ladder, s.read_at, s.read_channel, s.answer, s.answer_text, s.answered_at,
       d.slots, d.statuses, d.reasons, d.times, d.withdrawn, state.reach, p.ended, p.sensitive
FROM scan s
CROSS JOIN (SELECT CASE WHEN status IN (7, 8, 9) THEN status END AS ended, untils IS NOT NULL AS ladder, steps, coalesce(terms ? 'sensitive', false) AS sensitive
              FROM plan WHERE id = $2) p
CROSS JOIN LATERAL (
    SELECT count(*) AS made,
           coalesce(array_agg(x.slot ORDER BY w.place), '{}') AS slots,
           coalesce(array_agg(x.status ORDER BY w.place), '{}') AS statuses,
           coalesce(array_agg(x.reason ORDER BY w.place), '{}') AS reasons,
           coalesce(array_agg(x.updated_at ORDER BY w.place), '{}') AS times,
           coalesce(array_agg(CASE WHEN p.ended = 7 AND w.slot & 15 = ANY($12::smallint[]) AND x.status IN (3, 4, 6) THEN (
               SELECT a.recalled FROM attempt a
                WHERE a.plan_id = $2 AND a.slot = w.slot AND a.lo BETWEEN s.no - 999 AND s.no AND a.hi >= s.no
                  AND (a.members IS NULL OR s.no = ANY(a.members)) AND a.outcome IN (0, 3)
                ORDER BY a.number DESC LIMIT 1) END ORDER BY w.place), '{}') AS withdrawn,
           bool_or(x.status IN (3, 4)) AS reached, bool_or(x.status = 0) AS open, bool_or(x.status = 5) AS failed,
           bool_or(x.status = 6) AS unknown, bool_or(x.status IN (8, 9)) AS cancelled
    FROM unnest($3::smallint[]) WITH ORDINALITY AS w (slot, place)
    JOIN delivery x ON x.plan_id = $2 AND x.slot = w.slot AND x.no = s.no
) d
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN d.reached THEN 'reached'
        WHEN d.open OR (p.ended IS NULL AND s.result IS NULL AND (d.made = 0 OR p.ladder)) THEN 'pending'
        WHEN d.unknown THEN 'unknown'
        WHEN d.cancelled OR d.made = 0 OR s.result = 7 OR (p.ladder AND s.result IS NULL) THEN 'cancelled'
        ELSE 'unreachable' END AS reach
) state
WHERE ($7::text IS NULL OR state.reach = $7)
  AND (NOT $8::boolean OR d.failed)
  AND ($9::boolean IS NULL OR (s.read_at IS NOT NULL) = $9)
  AND ($10::boolean IS NULL OR (s.answered_at IS NOT NULL) = $10)
  AND ($11::text IS NULL OR strpos(lower(s.key), $11) > 0 OR strpos(lower(s.name), $11) > 0)
ORDER BY s.no
LIMIT $6::bigint
