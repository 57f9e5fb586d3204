-- Messages of a plan that may still be with people and of which nobody has asked yet, behind a place; slot by slot along the key.
-- $1 plan, $2 channels whose providers may take messages back, $3 slot, $4 lo, $5 number of the place, $6 at most.
SELECT a.slot, a.lo, a.number, a.account_id, a.provider_ref, extract(epoch FROM now() - coalesce(a.ended_at, a.started_at))::double precision AS age
  FROM (SELECT s.slot FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS s(slot)
         WHERE p.id = $1 AND s.slot & 15 = ANY($2::smallint[]) AND s.slot >= $3) AS s
 CROSS JOIN LATERAL (
       SELECT a.* FROM attempt a
        WHERE a.plan_id = $1 AND a.slot = s.slot AND (a.slot, a.lo, a.number) > ($3::smallint, $4::integer, $5::smallint)
          AND a.outcome IN (0, 3) AND a.recalled IS NULL
        ORDER BY a.lo, a.number LIMIT $6) AS a
 ORDER BY a.slot, a.lo, a.number LIMIT $6
