-- Plans past their time. What is finished already does not match (status 6).
UPDATE plan SET status = 9, epoch = epoch + 1
 WHERE id IN (SELECT id FROM plan WHERE status IN (3, 4, 5) AND expires_at <= now() ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
