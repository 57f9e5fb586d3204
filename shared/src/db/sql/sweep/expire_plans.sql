-- Plans past their time. What is finished already does not match (status 6). $1 plans at most.
-- In the order of expires_at, which only the index on it has.
UPDATE plan SET status = 9, epoch = epoch + 1
 WHERE id = ANY (ARRAY(SELECT id FROM plan WHERE status IN (3, 4, 5) AND expires_at <= now()
                        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
