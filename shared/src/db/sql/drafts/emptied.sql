-- A draft has nobody any more. $1 plan.
UPDATE plan SET n_recipients = 0, n_duplicates = 0, epoch = epoch + 1 WHERE id = $1
