-- Plans with their counts, in the order asked for; ids of other tenants give no row.
-- $1 tenant, $2 plan ids.
--
-- queued: pending deliveries whose job is in the broker or claimed, those being sent included. A published job has all
-- its deliveries before it; a claimed one is counted by key range, and there are only as many as workers hold.
-- sending: deliveries under an open attempt of a claimed job.
-- Whoever was not expanded when the plan was ended has no delivery and counts as cancelled.
-- people (kept): only plans with several slots or with ladders keep a state per recipient; else the delivery counters say it all. Whose ladder
-- is open is still pending, unless reached; whose was cut off counts as cancelled, unless reached or unknown.
SELECT p.id, p.created_at, p.epoch, p.status, p.lane, p.on_unknown, p.slots, p.send_at, p.expires_at, p.started_at, p.finished_at,
       p.n_recipients, p.n_duplicates, p.n_open, p.n_deliveries, p.n_sent, p.n_delivered, p.n_failed, p.n_unknown,
       p.n_suppressed, p.n_cancelled, p.n_expired, p.n_read, p.n_acknowledged, p.answers, p.title, p.reference, p.acknowledgement, p.metadata,
       p.tiers, p.terms, p.series_id, (SELECT s.created_at FROM plan s WHERE s.id = p.series_id) AS series_created_at,
       CASE WHEN p.terms ? 'recurrence' THEN (SELECT ARRAY[s.n_started, s.n_skipped] FROM series s WHERE s.plan_id = p.id) END AS come,
       p.binned_at, p.purge_at, p.erased_at, p.n_waiting, p.untils IS NOT NULL AS ladder,
       cardinality(p.slots) > 1 AND NOT p.uncounted OR p.untils IS NOT NULL AS kept,
       (SELECT o.created_at FROM plan o WHERE o.id = p.supersedes) AS supersedes_at, p.supersedes,
       (SELECT o.created_at FROM plan o WHERE o.id = p.superseded_by) AS superseded_at, p.superseded_by,
       work.queued, work.sending, people.reached, people.unreachable, people.cancelled, people.unknown
FROM unnest($2::bigint[]) WITH ORDINALITY AS wanted (id, rank)
JOIN plan p ON p.id = wanted.id AND p.tenant_id = $1 AND p.purged_at IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE WHEN j.state = 1 THEN j.units ELSE claimed.pending END), 0)::bigint AS queued,
           coalesce(sum(claimed.sending), 0)::bigint AS sending
    FROM job j
    CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM delivery d
                WHERE j.state = 2 AND d.plan_id = p.id AND d.slot = j.slot AND d.no BETWEEN j.lo AND j.hi
                  AND d.status = 0 AND d.attempt = j.attempt AND (j.members IS NULL OR d.no = ANY (j.members))) AS pending,
               (SELECT sum(coalesce(cardinality(a.members), a.hi - a.lo + 1)) FROM attempt a
                WHERE j.state = 2 AND a.plan_id = p.id AND a.slot = j.slot AND a.lo BETWEEN j.lo AND j.hi
                  AND a.number = j.attempt AND a.job_id = j.id AND a.ended_at IS NULL) AS sending
    ) claimed
    WHERE j.plan_id = p.id AND j.kind = 1 AND j.state IN (1, 2)
) work
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.best IN (3, 4)) AS reached,
           count(*) FILTER (WHERE r.open = 0 AND r.best IN (5, 7) AND (p.untils IS NULL OR r.result <> 7)) AS unreachable,
           count(*) FILTER (WHERE r.open = 0 AND (r.best IN (8, 9) OR r.result = 7 AND r.best IN (5, 7) OR r.result IS NOT NULL AND r.best = 0 OR (r.best = 0 OR p.untils IS NOT NULL AND r.best IN (5, 7) AND r.result IS NULL)
                                                                      AND p.status IN (7, 8, 9))) AS cancelled,
           count(*) FILTER (WHERE r.open = 0 AND r.best = 6 AND (p.untils IS NULL OR r.result IS NOT NULL OR p.status IN (7, 8, 9))) AS unknown
    FROM recipient r
    WHERE (cardinality(p.slots) > 1 AND NOT p.uncounted OR p.untils IS NOT NULL) AND r.plan_id = p.id
) people
ORDER BY wanted.rank
