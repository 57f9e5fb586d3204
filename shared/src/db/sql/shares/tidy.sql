-- Deletes the shares of runs that have ended.
DELETE FROM account_share s
 WHERE NOT EXISTS (SELECT FROM worker_incarnation w WHERE w.id = s.incarnation_id AND w.ended_at IS NULL)
