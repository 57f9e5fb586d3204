-- A plan as drafts/lock.sql reads it, without its lock, unless it was erased. $1 tenant, $2 plan, $3 when it was made.
SELECT status, binned_at IS NOT NULL AS binned, epoch, reference, lane, send_at, expires_at, n_recipients, title, content,
       acknowledgement IS NOT NULL OR tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")' OR coalesce(terms ? 'protected', false) AS asks, slots, first_tiers, waits, terms
  FROM plan WHERE tenant_id = $1 AND id = $2 AND created_at = $3 AND erased_at IS NULL AND purged_at IS NULL
