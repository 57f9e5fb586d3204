-- Voids claims of a resend that are being made just now: they read the deliveries as they were. $1 plan, $2 slot, $3 the unknown attempt.
UPDATE job SET token = token + 1 WHERE plan_id = $1 AND slot = $2 AND attempt = $3::smallint + 1 AND state < 2
