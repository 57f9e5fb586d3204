-- No browser may open this recipient's page any more without a new code. $1 plan, $2 recipient.
UPDATE page_pass SET revoked_at = now() WHERE plan_id = $1 AND no = $2 AND revoked_at IS NULL
