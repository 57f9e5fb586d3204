-- People of a draft, by what it says now, each by full key (why: migration 0057). $1 plan, $2 nos, $3 addresses, $4 skips: parallel arrays.
UPDATE recipient r SET addresses = n.addresses, skips = n.skips
  FROM (SELECT $1::bigint AS plan_id, n.* FROM unnest($2::integer[], $3::jsonb[], $4::jsonb[]) AS n(no, addresses, skips) OFFSET 0) AS n
 WHERE r.plan_id = n.plan_id AND r.no = n.no
