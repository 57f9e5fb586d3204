-- How far a plan's people are counted. $1 plan, $2 step, $3 up to this position, $4 that was the last.
WITH all_of_them AS (
    UPDATE plan SET uncounted = false WHERE id = $1 AND $4
)
UPDATE reminder SET counted = $3, state = CASE WHEN $4 THEN 2 ELSE state END WHERE plan_id = $1 AND step = $2
