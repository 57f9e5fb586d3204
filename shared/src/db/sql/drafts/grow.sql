-- A draft has more people now. $1 plan, $2 people, $3 rows that were somebody already.
UPDATE plan SET n_recipients = n_recipients + $2, n_duplicates = n_duplicates + $3, epoch = epoch + 1 WHERE id = $1
