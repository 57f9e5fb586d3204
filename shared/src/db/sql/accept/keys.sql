-- Takes idempotency keys; returns the plans whose key was free (or older than 24 hours).
-- $1 api key ids, $2 routes, $3 keys, $4 hashes, $5 statuses, $6 locations, $7 bodies, $8 plan ids: parallel arrays in key order.
WITH want AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::text[], $7::text[], $8::bigint[])
           WITH ORDINALITY AS w(api_key_id, route, key, hash, status, location, body, plan_id, ord)
), firsts AS (
    -- The same key twice in one batch: the first wins, the second reads its answer.
    SELECT DISTINCT ON (api_key_id, route, key) * FROM want ORDER BY api_key_id, route, key, ord
), taken AS (
    INSERT INTO idempotency AS i (api_key_id, route, key, hash, status, location, body)
    SELECT api_key_id, route, key, hash, status, location, body FROM firsts ORDER BY api_key_id, route, key
    ON CONFLICT (api_key_id, route, key) DO UPDATE
       SET hash = excluded.hash, status = excluded.status, location = excluded.location, body = excluded.body, created_at = now()
     WHERE i.created_at < now() - interval '24 hours'
    RETURNING api_key_id, route, key
)
SELECT f.plan_id FROM firsts f JOIN taken t USING (api_key_id, route, key)
