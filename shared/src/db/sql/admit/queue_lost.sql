-- The broker lost a queue: what was published there is due now. $1 lane, $2 channel.
UPDATE job SET state = 0, publishes = 0, due_at = now()
 WHERE kind = 1 AND lane = $1 AND (slot & 15::smallint) = $2 AND state = 1
