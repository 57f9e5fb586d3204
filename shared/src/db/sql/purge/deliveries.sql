-- A chunk of what a purged plan sent: deliveries, attempts and what they left out; and who approved it, and who proved to be its reader.
-- How many rows went. $1 plan, $2 rows of each at most.
WITH d AS (
    DELETE FROM delivery WHERE ctid = ANY (ARRAY(SELECT ctid FROM delivery WHERE plan_id = $1 ORDER BY slot, no LIMIT $2)) RETURNING 1
), a AS (
    DELETE FROM attempt WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempt WHERE plan_id = $1 ORDER BY slot, lo LIMIT $2)) RETURNING 1
), x AS (
    DELETE FROM attempt_exception WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempt_exception WHERE plan_id = $1 LIMIT $2)) RETURNING 1
), v AS (
    DELETE FROM approval WHERE ctid = ANY (ARRAY(SELECT ctid FROM approval WHERE plan_id = $1 LIMIT $2)) RETURNING 1
), c AS (
    DELETE FROM code WHERE ctid = ANY (ARRAY(SELECT ctid FROM code WHERE plan_id = $1 LIMIT $2)) RETURNING 1
), p AS (
    DELETE FROM page_pass WHERE ctid = ANY (ARRAY(SELECT ctid FROM page_pass WHERE plan_id = $1 LIMIT $2)) RETURNING 1
), r AS (
    DELETE FROM reminder WHERE plan_id = $1 RETURNING 1
), s AS (
    DELETE FROM series WHERE plan_id = $1 RETURNING 1
)
SELECT (SELECT count(*) FROM s) + (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM a) + (SELECT count(*) FROM x)
     + (SELECT count(*) FROM v) + (SELECT count(*) FROM c) + (SELECT count(*) FROM p)
