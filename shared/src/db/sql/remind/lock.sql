-- A plan that is to be reminded, held until the round is asked for. $1 tenant, $2 plan, $3 when it was made.
SELECT p.status, p.lane, p.n_recipients, p.tiers, p.title, p.content, p.finished_at IS NOT NULL AS over, p.expires_at <= now() AS late, p.erased_at IS NOT NULL AS erased,
       p.acknowledgement IS NOT NULL AS offers_answers,
       p.acknowledgement IS NOT NULL OR p.tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")' OR coalesce(p.terms ? 'protected', false) AS asks,
       (SELECT max(m.step) FROM reminder m WHERE m.plan_id = p.id) AS last_step
  FROM plan p WHERE p.tenant_id = $1 AND p.id = $2 AND p.created_at = $3
   FOR NO KEY UPDATE OF p
