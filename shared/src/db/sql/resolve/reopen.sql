-- Plans that get work again: what was finished runs. In order of id, before their deliveries: the tally refuses open deliveries
-- in a finished plan. Plans that may not send any more (ended, or past their time) give no row.
-- $1 plans.
WITH able AS (
    SELECT id FROM plan WHERE id = ANY($1) AND status + 0 IN (4, 5, 6) AND expires_at > now() ORDER BY id FOR NO KEY UPDATE
)
UPDATE plan p SET status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = NULL
  FROM able a WHERE p.id = a.id
RETURNING p.id
