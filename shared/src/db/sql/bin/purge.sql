-- Purges a plan in the bin: its words are gone with this commit, its people with the dispatcher's. Its row stays with its counts, its
-- reference and its id. $1 tenant, $2 plan.
UPDATE plan
   SET purged_at = now(), purging = true, title = '', content = '{}', acknowledgement = NULL, metadata = NULL, answers = NULL, traceparent = NULL, terms = NULL,
       epoch = epoch + 1
 WHERE tenant_id = $1 AND id = $2 AND binned_at IS NOT NULL AND purged_at IS NULL
RETURNING n_recipients, n_deliveries, purged_at
