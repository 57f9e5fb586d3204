-- Records a round of calls. No row: the lease was lost, and nothing is recorded; what was told will be told again.
-- $1 subscription, $2 lease, $3 events it took, $4 events it did not, $5 their waits in ms (parallel), $6 failures in a row before this round,
-- $7 what was wrong (NULL: nothing, or something was taken), $8 wait of the subscription in ms, $9 pause it now, $10 pause it when it has failed
-- for so many ms.
WITH mine AS (
    UPDATE subscription s
       SET failures = CASE WHEN $7::text IS NULL THEN 0 ELSE $6::integer + 1 END,
           state = CASE WHEN $7 IS NULL THEN 0
                        WHEN $9::boolean OR s.failing_since <= now() - $10::double precision * interval '1 ms' THEN 2 ELSE 1 END,
           reason = $7, failing_since = CASE WHEN $7 IS NULL THEN NULL ELSE coalesce(s.failing_since, now()) END,
           next_at = now() + $8::double precision * interval '1 ms',
           taken_at = CASE WHEN cardinality($3::bigint[]) > 0 THEN now() ELSE s.taken_at END
     WHERE s.id = $1 AND s.lease = $2
    RETURNING s.id, s.state
), taken AS (
    DELETE FROM subscription_call c USING mine m WHERE c.subscription_id = m.id AND c.event_id = ANY($3)
), put AS (
    UPDATE subscription_call c SET attempts = least(c.attempts + 1, 1000), due_at = now() + f.wait * interval '1 ms'
      FROM mine m, unnest($4::bigint[], $5::double precision[]) AS f(event_id, wait)
     WHERE c.subscription_id = m.id AND c.event_id = f.event_id
)
SELECT state FROM mine
