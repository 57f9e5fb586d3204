-- Runs that are over, with their turns. $1 runs.
WITH free AS (
    UPDATE admission_turn SET owner = NULL, epoch = epoch + 1 WHERE owner = ANY($1)
)
DELETE FROM dispatcher_run WHERE id = ANY($1)
