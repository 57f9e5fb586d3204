-- Ladders that are open are not those counted, or are left in a finished plan. A pattern of a series has people but no ladders.
SELECT 'plan ' || p.id || ' waiting ' || p.n_waiting || ', open ' || c.open
  FROM plan p CROSS JOIN LATERAL (SELECT count(*) AS open FROM recipient r WHERE r.plan_id = p.id AND r.result IS NULL) AS c
 WHERE p.untils IS NOT NULL AND p.status > 2 AND p.purged_at IS NULL AND (p.n_waiting <> c.open OR (p.status = 6 AND c.open > 0))
   AND NOT coalesce(p.terms ? 'recurrence', false)
