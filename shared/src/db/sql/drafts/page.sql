-- People of a draft in order. $1 plan, $2 after this position, $3 most rows.
SELECT no, key, name, addresses, skips, variables, locale, time_zone
  FROM recipient WHERE plan_id = $1 AND no > $2 ORDER BY no LIMIT $3::bigint
