-- Takes the lease to fetch a token; one row when it was had. $1 account, $2 account version, $3 serial of the last token known to be
-- useless (0: none), $4 length of the lease in ms.
-- Newer credentials take over at once; a worker that still has older ones gets nothing.
INSERT INTO provider_token AS t (account_id, version, refreshing_until)
VALUES ($1, $2, now() + $4::double precision * interval '1 ms')
ON CONFLICT (account_id) DO UPDATE
   SET version = excluded.version, refreshing_until = excluded.refreshing_until, refused_code = NULL,
       token = CASE WHEN t.version = excluded.version THEN t.token END,
       expires_at = CASE WHEN t.version = excluded.version THEN t.expires_at END
 WHERE t.version < excluded.version
    OR (t.version = excluded.version AND coalesce(t.refreshing_until <= now(), true)
        AND (t.serial <= $3 OR t.token IS NULL OR t.expires_at <= now()))
RETURNING t.serial
