-- Holds files whose time has come, but for those in others' hands. Whoever uses them is asked in the next statement, which sees what was
-- committed before they were held. $1 at most.
SELECT f.id FROM file f
 WHERE f.remove_at <= now() AND NOT EXISTS (SELECT FROM plan_file u WHERE u.file_id = f.id)
 ORDER BY f.remove_at LIMIT $1 FOR UPDATE OF f SKIP LOCKED
