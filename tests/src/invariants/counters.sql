-- The counters of a plan differ from a recount, or a finished plan lacks deliveries.
SELECT 'plan ' || p.id || ' has ' || to_jsonb(c)
  FROM plan p, LATERAL (
       SELECT count(*) AS n_deliveries,
              count(*) FILTER (WHERE d.status = 0) AS n_open,
              count(*) FILTER (WHERE d.status = 3) AS n_sent,
              count(*) FILTER (WHERE d.status = 4) AS n_delivered,
              count(*) FILTER (WHERE d.status = 5) AS n_failed,
              count(*) FILTER (WHERE d.status = 6) AS n_unknown,
              count(*) FILTER (WHERE d.status = 7) AS n_suppressed,
              count(*) FILTER (WHERE d.status = 8) AS n_cancelled,
              count(*) FILTER (WHERE d.status = 9) AS n_expired
         FROM delivery d WHERE d.plan_id = p.id) AS c
 WHERE NOT to_jsonb(p) @> to_jsonb(c)
    OR (p.status = 6 AND p.first_tiers = 0 AND p.untils IS NULL AND c.n_deliveries <> p.n_recipients * cardinality(p.slots))
