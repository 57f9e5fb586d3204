-- Changes a subscription that was read as it was at $3. Whoever enables it has it called at once. No row: somebody was faster.
-- $1 tenant, $2 public id, $3 updated_at as read, $4 URL, $5 kinds, $6 enabled, $7 call it at once, whatever failed before.
UPDATE subscription
   SET url = $4, kinds = $5, enabled = $6, updated_at = clock_timestamp(),
       state = CASE WHEN $7 THEN 0 ELSE state END, reason = CASE WHEN $7 THEN NULL ELSE reason END,
       failing_since = CASE WHEN $7 THEN NULL ELSE failing_since END, failures = CASE WHEN $7 THEN 0 ELSE failures END,
       next_at = CASE WHEN $7 THEN now() ELSE next_at END
 WHERE tenant_id = $1 AND uid = $2 AND updated_at = $3
RETURNING id, uid, url, kinds, secret, enabled, state, reason, failing_since, taken_at, created_at, updated_at
