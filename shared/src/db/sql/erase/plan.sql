-- Notes how far a plan is erased; with its last recipient its content goes. No row: it is sent again meanwhile, so nothing must be erased.
-- $1 plan, $2 up to this recipient.
UPDATE plan
   SET erased_to = $2, content = CASE WHEN $2 >= n_recipients THEN '{}' ELSE content END,
       title = CASE WHEN $2 >= n_recipients THEN '***' ELSE title END, erased_at = CASE WHEN $2 >= n_recipients THEN now() END
 WHERE id = $1 AND terms ? 'sensitive' AND erased_at IS NULL AND finished_at IS NOT NULL AND status + 0 IN (6, 7, 8, 9)
   AND erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)) <= now()
RETURNING id
