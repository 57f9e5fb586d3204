-- As find.sql, of the plans in a status that has an index (plan_status): not running, not finished.
-- $1 tenant, $2 ids below this one, $3 status or NULL, $4 lower-case part of title or reference or NULL,
-- $5 created after or NULL, $6 most rows read, $7 most ids, $8 those that Herald made itself, too, $9 created before or NULL, $10 lane or NULL.
SELECT scan.id
FROM (
    SELECT id, status, lane, title, reference, created_at, terms, binned_at, purged_at FROM plan
    WHERE tenant_id = $1 AND id < $2 AND status IN (0, 1, 2, 3, 5, 7, 8, 9) AND status = $3::smallint
    ORDER BY id DESC
    LIMIT $6::bigint
) scan
WHERE ($3::smallint IS NULL OR status = $3)
  AND ($4::text IS NULL OR strpos(lower(title), $4) > 0 AND (terms IS NULL OR NOT terms ? 'sensitive') OR strpos(lower(reference), $4) > 0)
  AND ($5::timestamptz IS NULL OR created_at > $5) AND ($9::timestamptz IS NULL OR created_at < $9)
  AND ($8::boolean OR terms IS NULL OR NOT terms ? 'internal')
  AND ($10::smallint IS NULL OR lane = $10) AND purged_at IS NULL AND binned_at IS NULL
ORDER BY scan.id DESC
LIMIT $7::bigint
