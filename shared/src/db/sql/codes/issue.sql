-- Makes a code unless there were too many in the last hour; then in how many seconds one may be made. $1 plan, $2 recipient, $3 hash, $4 most.
-- The caller holds the recipient.
WITH lately AS MATERIALIZED (
    SELECT created_at FROM code WHERE plan_id = $1 AND no = $2 AND created_at > now() - interval '1 hour' ORDER BY id DESC LIMIT $4::bigint
), made AS (
    INSERT INTO code (plan_id, no, hash) SELECT $1, $2, $3 WHERE (SELECT count(*) FROM lately) < $4::bigint
)
SELECT CASE WHEN count(*) < $4::bigint THEN 0 ELSE ceil(extract(epoch FROM min(created_at) + interval '1 hour' - now()))::bigint END FROM lately
