-- The counters of a plan differ from a recount of deliveries, readings or answers, or a finished plan lacks deliveries (a pattern of a series has none).
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
         FROM delivery d WHERE d.plan_id = p.id) AS c,
       LATERAL (
       SELECT count(r.read_at) AS n_read, count(r.answered_at) AS n_acknowledged
         FROM recipient r WHERE r.plan_id = p.id) AS r
 WHERE p.purged_at IS NULL AND (NOT to_jsonb(p) @> to_jsonb(c)
    OR NOT to_jsonb(p) @> to_jsonb(r)
    OR p.answers IS DISTINCT FROM (SELECT jsonb_object_agg(a.answer, a.n)
                                     FROM (SELECT r.answer, count(*) AS n FROM recipient r
                                            WHERE r.plan_id = p.id AND r.answer IS NOT NULL GROUP BY r.answer) AS a)
    OR (p.status = 6 AND p.first_tiers = '{}' AND p.untils IS NULL AND (SELECT count(*) FROM delivery d WHERE d.plan_id = p.id AND d.slot < 2048)
        <> p.n_recipients * (SELECT count(*) FROM unnest(p.slots) AS s(slot) WHERE s.slot < 2048)
        AND NOT coalesce(p.terms ? 'recurrence', false)))
