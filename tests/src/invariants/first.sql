-- A recipient of a tier in mode first has two channels that may have reached them, or was left without a channel that was due.
SELECT 'plan ' || p.id || ' no ' || r.no || ' tier ' || t.tier
  FROM (SELECT * FROM plan WHERE first_tiers <> '{}' OFFSET 0) AS p JOIN recipient r ON r.plan_id = p.id
 CROSS JOIN LATERAL (
       SELECT s.slot >> 4 AS tier, count(*) FILTER (WHERE d.status = 6 OR d.status IN (3, 4) AND channel_reports(s.slot & 15) < 2) AS standing,
              bool_or(d.status IN (5, 7) AND next_in_tier(p.slots, p.first_tiers, s.slot) IS NOT NULL
                      AND NOT EXISTS (SELECT FROM delivery n WHERE n.plan_id = p.id AND n.no = r.no
                                         AND n.slot = next_in_tier(p.slots, p.first_tiers, s.slot))) AS left_behind
         FROM unnest(p.slots) AS s(slot) JOIN delivery d ON d.plan_id = p.id AND d.slot = s.slot AND d.no = r.no
        GROUP BY s.slot >> 4) AS t
 WHERE t.tier = ANY(p.first_tiers) AND (t.standing > 1 OR (p.status = 6 AND p.untils IS NULL AND t.left_behind))
