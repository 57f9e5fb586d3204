-- Something was sent, refused or lost, and its attempts are not 1, 2, ... up to its own.
SELECT 'plan ' || d.plan_id || ' slot ' || d.slot || ' no ' || d.no
  FROM delivery d
 WHERE d.status IN (3, 5, 6)
   AND d.attempt <> (
       SELECT count(DISTINCT a.number) FROM attempt a
        WHERE a.plan_id = d.plan_id AND a.slot = d.slot AND a.number <= d.attempt
          AND a.lo BETWEEN d.no - 999 AND d.no AND a.hi >= d.no AND (a.members IS NULL OR d.no = ANY(a.members)))
