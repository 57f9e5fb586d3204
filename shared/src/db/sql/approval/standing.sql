-- How a plan stands for a key that wants to decide: locked until the transaction ends. No row: not this tenant's.
-- $1 tenant, $2 plan, $3 when it was made, $4 key.
-- mine: what this key has said in the newest round.
SELECT p.status, p.epoch, coalesce(p.terms -> 'authors' @> to_jsonb($4::bigint), false) AS author, k.name,
       (SELECT a.step FROM approval a WHERE a.plan_id = p.id AND a.round = p.epoch AND a.opinion IS NULL ORDER BY a.step LIMIT 1) AS step,
       (SELECT a.opinion FROM approval a
         WHERE a.plan_id = p.id AND a.round = (SELECT max(b.round) FROM approval b WHERE b.plan_id = p.id) AND a.key_id = $4) AS mine
  FROM plan p JOIN api_key k ON k.id = $4
 WHERE p.tenant_id = $1 AND p.id = $2 AND p.created_at = $3
   FOR NO KEY UPDATE OF p
