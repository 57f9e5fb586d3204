-- A plan, locked against everybody who writes it; fails at once when somebody has it. $1 tenant, $2 plan, $3 when it was made.
SELECT status, binned_at IS NOT NULL AS binned, epoch, reference, lane, send_at, expires_at, n_recipients, title, content,
       acknowledgement IS NOT NULL OR tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")' OR coalesce(terms ? 'protected', false) AS asks, slots, first_tiers, waits, terms
  FROM plan WHERE tenant_id = $1 AND id = $2 AND created_at = $3 AND purged_at IS NULL
   FOR NO KEY UPDATE NOWAIT
