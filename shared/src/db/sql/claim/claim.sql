-- Claims jobs, opens the attempts of their first calls, and returns the work, one row a job.
-- $1 job ids, $2 calls to mark, $3 recipients a call (parallel arrays), $4 incarnation, $5 backstop in ms, $6 again: the answer to
-- an earlier try was lost, so jobs this run holds already count as free (the caller has none of them in work).
-- $7 recipients a call when the content differs from person to person (parallel to $1). What has template syntax counts as
-- personal, by the rule of domain::template, and so does what asks for reading, since everybody gets their own link
-- (domain::content::asks_for_reading), and what has files, which channels that batch do not carry; only looked at where it makes a difference.
-- barred: mail addresses that have unsubscribed from the tenant. Only looked at where it has such, and never for urgent messages.
-- Locks plainly, in id order: SKIP LOCKED could skip a row that admission has just marked, and ack its only pointer.
-- A job that changed between this statement's snapshot and its lock is left alone: its deliveries would be read as they
-- were before the change. It becomes due again by itself.
-- Of a stopped plan that is over only reminders are left, and they go out; so in mark.sql, worker/is_wanted.sql and admission.
-- `+ 0` here and in other hot statements: a bare column would invite an index (plan_expiry, job_claimed, job_due) that is small
-- when the statement is planned and holds every living plan or job when it runs: 16 ms for a claim of 12 by job_due, 0.6 by key.
WITH want AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $7::integer[]) AS w(id, calls, batch, personal)
), seen AS MATERIALIZED (
    SELECT j.id, j.token, j.due_at FROM job j WHERE j.id = ANY($1)
), locked AS MATERIALIZED (
    SELECT j.id FROM seen s JOIN job j ON j.id = s.id
     WHERE j.kind + 0 = 1
       AND ((j.state + 0 < 2 AND j.token = s.token AND j.due_at = s.due_at) OR ($6 AND j.state + 0 = 2 AND j.incarnation_id + 0 = $4))
     ORDER BY j.id FOR UPDATE OF j
), taken AS MATERIALIZED (
    UPDATE job j
       SET state = 2, token = j.token + 1, incarnation_id = $4, claims = j.claims + 1, publishes = 0,
           due_at = now() + $5::double precision * interval '1 ms'
      FROM locked l, plan p, account a, worker_incarnation w
     WHERE j.id = l.id AND p.id = j.plan_id AND (p.status + 0 = 4 OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now() AND (p.enough_at IS NULL OR j.slot >> 4 > 127)
       AND a.id = j.account_id AND a.enabled AND a.deleted_at IS NULL
       AND w.id = $4 AND w.ended_at IS NULL
    RETURNING j.id, j.token, j.plan_id, j.tenant_id, j.slot, j.lane, j.attempt, j.lo, j.hi, j.members, a.id AS account_id, a.version AS account_version,
              p.created_at, p.on_unknown,
              p.acknowledgement IS NOT NULL OR p.tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")'
                OR coalesce(p.terms ? 'protected', false) AS asks, coalesce(p.terms ? 'protected', false) AS protected,
              p.title, CASE WHEN p.terms ? 'templates' THEN worded(p.content, j.slot) ELSE p.content END AS content,
              CASE WHEN p.terms ? 'templates' THEN wording(p.content, j.slot) END AS wording, p.metadata, p.acknowledgement, p.traceparent, coalesce(p.send_at, p.created_at) AS due_since,
              p.untils IS NOT NULL AS ladder, greatest(p.resumed_at, j.rested_until) AS rested_until, CASE WHEN p.untils IS NOT NULL THEN max_late(p.lane, p.terms) END AS max_late, p.steps,
              (SELECT true FROM quiet_window q WHERE q.tenant_id = j.tenant_id AND q.channel = j.slot & 15 LIMIT 1) IS NOT NULL AS hushed,
              j.lane + 0 = 0 OR coalesce(p.terms ->> 'quiet' = 'ignore', false) AS excepted
), stopped AS MATERIALIZED (
    -- Of plans with ladders only: whoever has read or answered gets nothing more, and no step fires too late (rules 2 and 16).
    -- Of reminders: whoever is none of those they are for any more (rule 20). Slots from 2048 on are theirs.
    -- The caller suppresses them (suppress.sql): an update here would cost every claim its triggers.
    -- Of tenants with quiet hours on this channel: who must not be written to now (rule 14); the caller puts them off (put_off).
    SELECT t.id, d.no, CASE WHEN r.is_over THEN 'already_read' WHEN d.late THEN 'overdue' END AS reason, q.until
      FROM taken t
      CROSS JOIN LATERAL (SELECT d.no, t.ladder AND t.slot >> 4 BETWEEN 2 AND 127 AND greatest(d.created_at, t.rested_until) < now() - t.max_late AS late FROM delivery d
                           WHERE (t.ladder OR t.hushed OR t.slot >= 2048) AND d.plan_id = t.plan_id AND d.slot = t.slot AND d.no BETWEEN t.lo AND t.hi
                             AND d.status = 0 AND d.attempt = t.attempt AND (t.members IS NULL OR d.no = ANY(t.members)) OFFSET 0) AS d
      CROSS JOIN LATERAL (SELECT CASE WHEN t.slot >= 2048 THEN reminder_over(t.plan_id, t.slot, d.no)
                                      ELSE t.ladder AND coalesce(r.result IN (1, 2), false) END AS is_over, r.time_zone
                            FROM recipient r WHERE r.plan_id = t.plan_id AND r.no = d.no OFFSET 0) AS r
      CROSS JOIN LATERAL (SELECT CASE WHEN t.hushed THEN quiet_until(t.tenant_id, t.slot & 15, r.time_zone, now(), t.excepted) END AS until OFFSET 0) AS q
     WHERE d.late OR r.is_over OR q.until IS NOT NULL
), work AS MATERIALIZED (
    -- OFFSET 0 fixes the order: job, its range of deliveries, each one's recipient by full key. Left free, a plan made while all
    -- plans had one recipient joined jobs to whole plans of recipients: 30 s a batch at 10,000 of them.
    SELECT t.id, d.no, r.key, r.name, r.address, r.variables,
           f.has_barred AND EXISTS (SELECT FROM unsubscribed u WHERE u.tenant_id = t.tenant_id AND u.address = lower(r.address)) AS barred,
           (row_number() OVER (PARTITION BY t.id ORDER BY d.no) - 1) / f.batch AS call, w.calls, f.batch
      FROM taken t
      JOIN want w ON w.id = t.id
      CROSS JOIN LATERAL (SELECT CASE WHEN w.batch <> w.personal
                                       AND (t.asks OR t.content ? 'attachments' OR concat_ws(' ', t.title, t.content ->> 'subject', t.content ->> 'text', t.content ->> 'html',
                                                     t.content ->> 'link') ~ '\{[{%#]')
                                      THEN w.personal ELSE w.batch END AS batch,
                                t.slot & 15 = 1 AND t.lane <> 0
                                  AND EXISTS (SELECT FROM unsubscribed u WHERE u.tenant_id = t.tenant_id) AS has_barred,
                                (SELECT array_agg(s.no) FROM stopped s WHERE s.id = t.id) AS stopped OFFSET 0) AS f
      CROSS JOIN LATERAL (SELECT d.no FROM delivery d
                           WHERE d.plan_id = t.plan_id AND d.slot = t.slot AND d.no BETWEEN t.lo AND t.hi
                             AND d.status = 0 AND d.attempt = t.attempt AND (t.members IS NULL OR d.no = ANY(t.members))
                             AND (f.stopped IS NULL OR d.no <> ALL(f.stopped)) OFFSET 0) AS d
      CROSS JOIN LATERAL (SELECT r.key, r.name, r.addresses ->> address_kind(t.slot & 15) AS address, r.variables
                            FROM recipient r WHERE r.plan_id = t.plan_id AND r.no = d.no OFFSET 0) AS r
), opened AS (
    INSERT INTO attempt (plan_id, slot, lo, number, hi, members, job_id, incarnation_id, account_id)
    SELECT t.plan_id, t.slot, min(k.no), t.attempt, max(k.no),
           CASE WHEN max(k.no) - min(k.no) + 1 <> count(*) THEN array_agg(k.no ORDER BY k.no) END, t.id, $4, t.account_id
      FROM work k JOIN taken t ON t.id = k.id
     WHERE k.call < k.calls
     GROUP BY t.plan_id, t.slot, t.attempt, t.id, t.account_id, k.call
    ON CONFLICT (plan_id, slot, lo, number) DO UPDATE SET started_at = now()
     WHERE attempt.ended_at IS NULL AND attempt.job_id = excluded.job_id AND attempt.incarnation_id = excluded.incarnation_id
)
SELECT t.*, coalesce(max(k.batch), 1) AS batch,
       coalesce(array_agg(k.no ORDER BY k.no) FILTER (WHERE k.no IS NOT NULL), '{}') AS nos,
       coalesce(array_agg(k.key ORDER BY k.no) FILTER (WHERE k.no IS NOT NULL), '{}') AS keys,
       coalesce(array_agg(k.name ORDER BY k.no) FILTER (WHERE k.no IS NOT NULL), '{}') AS names,
       coalesce(array_agg(k.address ORDER BY k.no) FILTER (WHERE k.no IS NOT NULL), '{}') AS addresses,
       coalesce(array_agg(k.variables ORDER BY k.no) FILTER (WHERE k.no IS NOT NULL), '{}') AS variables,
       coalesce(array_agg(k.no ORDER BY k.no) FILTER (WHERE k.barred), '{}') AS barred,
       count(k.no) FILTER (WHERE k.call < k.calls) AS marked,
       (SELECT array_agg(s.no ORDER BY s.no) FROM stopped s WHERE s.id = t.id) AS stopped,
       (SELECT array_agg(s.reason ORDER BY s.no) FROM stopped s WHERE s.id = t.id) AS stopped_why,
       (SELECT array_agg(s.until ORDER BY s.no) FROM stopped s WHERE s.id = t.id) AS stopped_until
  FROM taken t LEFT JOIN work k ON k.id = t.id
 GROUP BY t.id, t.token, t.plan_id, t.tenant_id, t.slot, t.lane, t.attempt, t.lo, t.hi, t.members, t.account_id, t.account_version,
          t.created_at, t.on_unknown, t.asks, t.protected, t.title, t.content, t.wording, t.metadata, t.acknowledgement, t.traceparent, t.due_since, t.ladder, t.rested_until, t.max_late, t.steps, t.hushed, t.excepted
