-- Gives a claimed job back; the caller holds its lock. $1 job, $2 attempts a delivery has, $3 grace in ms before a resend.
WITH held AS MATERIALIZED (
    SELECT j.*, p.status AS plan_status, p.on_unknown, p.expires_at
      FROM job j JOIN plan p ON p.id = j.plan_id WHERE j.id = $1
), closed AS MATERIALIZED (
    UPDATE attempt a SET ended_at = now(), outcome = 3, detail = 'the worker ended before it could record the outcome'
      FROM held h
     WHERE a.plan_id = h.plan_id AND a.slot = h.slot AND a.lo BETWEEN h.lo AND h.hi AND a.number = h.attempt
       AND a.job_id = h.id AND a.ended_at IS NULL
    RETURNING a.plan_id, a.slot, a.lo, a.hi, a.members, a.number, a.account_id,
              CASE WHEN h.on_unknown = 0 AND a.number < $2 AND (h.plan_status IN (4, 5) OR h.plan_status = 8 AND h.slot >= 2048) AND h.expires_at > now() THEN 0 ELSE 6 END AS status
), unsure AS (
    UPDATE delivery d SET status = c.status, attempt = d.attempt + CASE WHEN c.status = 0 THEN 1 ELSE 0 END,
                          account_id = c.account_id, updated_at = now()
      FROM closed c
     WHERE d.plan_id = c.plan_id AND d.slot = c.slot AND d.no BETWEEN c.lo AND c.hi AND (c.members IS NULL OR d.no = ANY(c.members))
       AND d.status = 0 AND d.attempt = c.number
    RETURNING d.no, d.status, d.attempt
), resend AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, attempt, units, lo, hi, members, due_at)
    SELECT nextval('job_id'), 1, h.plan_id, h.tenant_id, h.slot, h.lane, u.attempt, count(*), min(u.no), max(u.no),
           array_agg(u.no ORDER BY u.no), now() + $3::double precision * interval '1 ms'
      FROM unsure u, held h WHERE u.status = 0
     GROUP BY h.plan_id, h.tenant_id, h.slot, h.lane, u.attempt
), parked AS (
    UPDATE delivery d SET status = 5, reason = 'exhausted', updated_at = now()
      FROM held h
     WHERE h.claims > 5 AND d.plan_id = h.plan_id AND d.slot = h.slot AND d.no BETWEEN h.lo AND h.hi
       AND (h.members IS NULL OR d.no = ANY(h.members)) AND d.status = 0 AND d.attempt = h.attempt
       AND NOT EXISTS (SELECT FROM closed c WHERE d.no BETWEEN c.lo AND c.hi AND (c.members IS NULL OR d.no = ANY(c.members)))
    RETURNING d.no
), unmarked AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM held h
                     CROSS JOIN LATERAL (SELECT d.no FROM delivery d
                                          WHERE d.plan_id = h.plan_id AND d.slot = h.slot AND d.no BETWEEN h.lo AND h.hi
                                            AND (h.members IS NULL OR d.no = ANY(h.members)) AND d.status = 0 AND d.attempt = h.attempt OFFSET 0) AS d
                    WHERE NOT EXISTS (SELECT FROM closed c WHERE d.no BETWEEN c.lo AND c.hi AND (c.members IS NULL OR d.no = ANY(c.members)))) AS any
), given_up AS (
    DELETE FROM job j USING held h, unmarked u WHERE j.id = h.id AND (h.claims > 5 OR NOT u.any)
), given_back AS (
    UPDATE job j SET state = 0, incarnation_id = NULL, token = j.token + 1, publishes = 0, due_at = now()
      FROM held h, unmarked u WHERE j.id = h.id AND h.claims <= 5 AND u.any
)
SELECT (SELECT count(*) FROM unsure), (SELECT count(*) FROM parked) FROM held
