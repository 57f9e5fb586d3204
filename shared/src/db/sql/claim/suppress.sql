-- Deliveries of claimed jobs that are not to go out. The claim holds them: nobody else sends them. Parallel arrays: $1 plans, $2 slots, $3 recipients, $4 reasons.
UPDATE delivery d SET status = 7, reason = s.reason, updated_at = now()
  FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::text[]) AS s(plan_id, slot, no, reason)
 WHERE d.plan_id = s.plan_id AND d.slot = s.slot AND d.no = s.no AND d.status = 0
