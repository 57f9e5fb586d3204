-- People of a draft, by what it says now. $1 plan, $2 nos, $3 addresses, $4 skips: parallel arrays.
UPDATE recipient r SET addresses = n.addresses, skips = n.skips
  FROM unnest($2::integer[], $3::jsonb[], $4::jsonb[]) AS n(no, addresses, skips)
 WHERE r.plan_id = $1 AND r.no = n.no
