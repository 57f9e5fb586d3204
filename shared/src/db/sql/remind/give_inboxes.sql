-- Everybody with a key has an inbox under it, also in a plan that did not use it before. $1 plan, $2 first, $3 last position.
UPDATE recipient r SET addresses = r.addresses || jsonb_build_object('inbox', r.key)
 WHERE r.plan_id = $1 AND r.no BETWEEN $2 AND $3 AND r.key IS NOT NULL AND NOT r.addresses ? 'inbox'
