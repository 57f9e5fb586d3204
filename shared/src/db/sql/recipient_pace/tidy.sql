-- Deletes what limits per recipient no longer need; some of it each time, so that a large table is not read as a whole every minute.
WITH old AS (
    SELECT floor(extract(epoch FROM now()))::integer - 7200 AS at
), rounds AS (
    DELETE FROM recipient_round r USING old o WHERE r.seen < o.at
)
DELETE FROM recipient_pace
 WHERE ctid = ANY(ARRAY(SELECT p.ctid FROM recipient_pace p TABLESAMPLE SYSTEM (10), old o
                         WHERE coalesce(p.times[cardinality(p.times)], 0) < o.at AND p.queue_at < o.at LIMIT 10000))
