-- A pattern whose turn it is, held, and how far its series has come. No row: it was halted. $1 plan.
SELECT p.lane, p.terms, p.send_at, p.resumed_at, now() AS now, coalesce((SELECT sum(w.wait) FROM unnest(p.waits) AS w(wait)), 0)::bigint AS waits,
       coalesce((SELECT s.n_started FROM series s WHERE s.plan_id = p.id), 0) AS n_started,
       coalesce((SELECT s.n_skipped FROM series s WHERE s.plan_id = p.id), 0) AS n_skipped
  FROM plan p WHERE p.id = $1 AND p.status + 0 IN (3, 4) FOR NO KEY UPDATE OF p
