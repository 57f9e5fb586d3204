-- Takes the last people of a draft out. $1 plan, $2 most rows.
DELETE FROM recipient
 WHERE plan_id = $1 AND no > (SELECT coalesce(max(no), 0) - $2::bigint FROM recipient WHERE plan_id = $1)
