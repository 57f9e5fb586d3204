-- Some of a plan's people, at the same positions in another plan; nothing of what became of them. $1 plan, $2 the other, $3 first, $4 last position.
INSERT INTO recipient (plan_id, no, key, name, addresses, skips, variables, locale, time_zone)
SELECT $2, r.no, r.key, r.name, r.addresses, r.skips, r.variables, r.locale, r.time_zone
  FROM recipient r WHERE r.plan_id = $1 AND r.no BETWEEN $3 AND $4
