-- Tries a code against the newest of a recipient, which counts as a try; no row: there is none that may be tried. A right one is used up.
-- $1 plan, $2 recipient, $3 hash, $4 most tries.
UPDATE code c
   SET tries = c.tries + 1, used_at = CASE WHEN c.hash = $3 THEN now() END
 WHERE c.id = (SELECT max(id) FROM code WHERE plan_id = $1 AND no = $2)
   AND c.used_at IS NULL AND c.tries < $4::smallint AND c.created_at > now() - interval '10 minutes'
RETURNING c.used_at IS NOT NULL AS good
