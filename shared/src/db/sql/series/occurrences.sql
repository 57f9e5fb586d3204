-- Ids of a pattern's occurrences, newest first. $1 tenant, $2 pattern, $3 ids below this one, $4 at most.
SELECT p.id FROM plan p WHERE p.series_id = $2 AND p.tenant_id = $1 AND p.id < $3 ORDER BY p.id DESC LIMIT $4::bigint
