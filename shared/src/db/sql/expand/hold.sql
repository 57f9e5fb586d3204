-- Holds a plan's row, so that of two last chunks of it the later one sees that the other's job is gone. $1 plan.
SELECT FROM plan WHERE id = $1 FOR NO KEY UPDATE
