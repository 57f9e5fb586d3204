-- One notice that is due, locked until its message is written.
SELECT n.id, n.plan_id, n.kind, n.round, n.step, n.tries, p.tenant_id, p.status, p.epoch, p.title, p.terms, p.lane, p.expires_at, p.n_recipients,
       p.created_at,
       (SELECT a.comment FROM approval a WHERE a.plan_id = n.plan_id AND a.round = n.round AND a.opinion IS NOT NULL ORDER BY a.step DESC LIMIT 1) AS comment,
       (SELECT a.name FROM approval a WHERE a.plan_id = n.plan_id AND a.round = n.round AND a.opinion IS NOT NULL ORDER BY a.step DESC LIMIT 1) AS decided_by,
       (SELECT a.opinion FROM approval a WHERE a.plan_id = n.plan_id AND a.round = n.round AND a.opinion IS NOT NULL ORDER BY a.step DESC LIMIT 1) AS opinion
  FROM notice n JOIN plan p ON p.id = n.plan_id
 WHERE n.due_at <= now()
 ORDER BY n.due_at LIMIT 1
   FOR UPDATE OF n SKIP LOCKED
