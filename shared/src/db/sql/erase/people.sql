-- Erases what is known of recipients. Before their plan's row is locked, as everywhere. $1 plan, $2 after this one, $3 up to this one.
UPDATE recipient r SET addresses = '{}', variables = NULL, skips = NULL
  FROM (SELECT r.plan_id, r.no FROM recipient r WHERE r.plan_id = $1 AND r.no > $2 AND r.no <= $3 ORDER BY r.no FOR NO KEY UPDATE) AS held
 WHERE r.plan_id = held.plan_id AND r.no = held.no AND (r.addresses <> '{}' OR r.variables IS NOT NULL OR r.skips IS NOT NULL)
