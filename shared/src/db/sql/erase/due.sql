-- Sensitive plans that have ended, by the index plan_to_erase. $1 at most.
SELECT id, n_recipients, erased_to FROM plan
 WHERE terms ? 'sensitive' AND erased_at IS NULL AND finished_at IS NOT NULL
   AND erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)) <= now()
 ORDER BY erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)) LIMIT $1
