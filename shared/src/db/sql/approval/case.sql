-- What an approver's page shows. $1 plan, $2 the lowest 18 bits of the round, $3 step. person: the first recipient, as whom the message is shown.
SELECT p.tenant_id, p.created_at, p.status, p.epoch, p.title, p.content, p.terms, p.lane, p.tiers, p.send_at, p.expires_at, p.n_recipients,
       p.acknowledgement, a.round, a.opinion, a.decided_at, a.name AS decided_by, a.comment, r.name, r.variables
  FROM plan p
  JOIN approval a ON a.plan_id = p.id AND a.step = $3 AND (a.round & 262143) = $2
  LEFT JOIN recipient r ON r.plan_id = p.id AND r.no = 1
 WHERE p.id = $1
 ORDER BY a.round DESC LIMIT 1
