-- A pattern's next turn. $1 its job, $2 plan, $3 when.
WITH alarm AS (UPDATE job SET due_at = $3 WHERE id = $1)
UPDATE plan SET send_at = $3 WHERE id = $2
