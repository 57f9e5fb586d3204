-- Lets one request at a time make codes for a recipient. $1 plan, $2 recipient.
SELECT 1 FROM recipient WHERE plan_id = $1 AND no = $2 FOR NO KEY UPDATE
