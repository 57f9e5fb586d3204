-- Stopped plans whose reminders' time is over: what is open of them is ended like everything of an ended plan. Reminders of the last hundred days.
UPDATE plan p SET finished_at = NULL
  FROM (SELECT DISTINCT m.plan_id FROM reminder m WHERE m.created_at > now() - interval '100 days') AS m
 WHERE p.id = m.plan_id AND p.status + 0 = 8 AND p.finished_at IS NOT NULL AND (p.n_open > 0 OR NOT p.expanded) AND p.expires_at <= now()
