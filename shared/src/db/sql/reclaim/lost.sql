-- Claimed jobs of ended runs. Run by run: all claimed jobs are many, and with them what a transaction left open keeps in the index.
SELECT j.id FROM worker_incarnation w
 CROSS JOIN LATERAL (SELECT j.id FROM job j WHERE j.state = 2 AND j.incarnation_id = w.id LIMIT 500) AS j
 WHERE w.ended_at IS NOT NULL LIMIT 500
