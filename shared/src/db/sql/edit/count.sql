-- How many people a draft has now that they were replaced. $1 plan, $2 people, $3 merged away.
UPDATE plan SET n_recipients = $2, n_duplicates = $3 WHERE id = $1
