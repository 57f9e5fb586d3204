-- What a recipient's page shows. $1 plan, $2 recipient.
SELECT p.binned_at IS NOT NULL AS closed, p.created_at, p.tenant_id, p.status, p.title, p.content, p.terms, p.erased_at IS NOT NULL AS erased, p.acknowledgement, r.key, r.name, r.variables, r.locale,
       r.read_at, r.answered_at, r.answer, r.answer_text
  FROM plan p JOIN recipient r ON r.plan_id = p.id
 WHERE p.id = $1 AND r.no = $2
