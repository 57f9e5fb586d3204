-- Published jobs whose window is full wait again. $1 job ids.
UPDATE job SET state = 0, publishes = 0, due_at = now() WHERE id = ANY($1) AND state = 1
