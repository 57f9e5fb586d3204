-- Everything that was asked and said about a plan, in order. $1 tenant, $2 plan, $3 when it was made.
-- open: it can still be decided. void: the plan was changed, withdrawn or is over time since.
SELECT a.round, a.step, a.asked_at, a.opinion, a.decided_at, a.name, a.comment, a.approver, k.uid AS key,
       p.status = 1 AND a.round = p.epoch AND a.opinion IS NULL AS open, a.round < max(a.round) OVER () AS void,
       CASE WHEN a.round = max(a.round) OVER () THEN p.terms #> ARRAY['approval', 'steps', (a.step - 1)::text] END AS asked
  FROM plan p
  JOIN approval a ON a.plan_id = p.id
  LEFT JOIN api_key k ON k.id = a.key_id AND k.tenant_id = $1
 WHERE p.tenant_id = $1 AND p.id = $2 AND p.created_at = $3
 ORDER BY a.round DESC, a.step DESC
 LIMIT 500
