-- What is noted of a recipient of several deliveries differs from these.
SELECT 'plan ' || r.plan_id || ' no ' || r.no || ' open ' || r.open || ' best ' || r.best
  FROM recipient r JOIN plan p ON p.id = r.plan_id AND (cardinality(p.slots) > 1 OR p.untils IS NOT NULL)
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE d.status = 0) AS open,
              -- Delivered, sent, unknown, then whatever else.
              min(array_position(ARRAY[4, 3, 6]::smallint[], d.status)) AS best
         FROM delivery d WHERE d.plan_id = r.plan_id AND d.no = r.no) AS c
 WHERE r.open <> c.open
    OR array_position(ARRAY[4, 3, 6]::smallint[], r.best) IS DISTINCT FROM c.best
