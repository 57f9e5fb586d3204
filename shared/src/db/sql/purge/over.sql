-- Nothing of a purged plan is left but its row. $1 plan.
UPDATE plan SET purging = false WHERE id = $1 AND purging
