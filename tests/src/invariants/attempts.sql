-- Something was sent, refused or lost, and its attempts are not 1, 2, ... up to its own.
SELECT 'plan ' || d.plan_id || ' slot ' || d.slot || ' no ' || d.no
  FROM delivery d
 CROSS JOIN LATERAL (
       SELECT count(DISTINCT a.number) AS number, coalesce(bool_or(a.outcome = 0 AND a.number = d.attempt - 1), false) AS before
         FROM attempt a
        WHERE a.plan_id = d.plan_id AND a.slot = d.slot AND a.number <= d.attempt
          AND a.lo BETWEEN d.no - 999 AND d.no AND a.hi >= d.no AND (a.members IS NULL OR d.no = ANY(a.members))) AS made
 WHERE d.status IN (3, 5, 6) AND d.attempt <> made.number
       -- Late news of the attempt before made this one needless.
   -- It failed because nothing could make one.
   AND NOT (d.status = 5 AND d.reason = 'no_account' AND d.attempt = made.number + 1)
   AND NOT (d.status = 3 AND made.before AND d.attempt = made.number + 1)
