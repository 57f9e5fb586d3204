-- Sensitive plans that have ended, by the index plan_to_erase; a pattern not before its occurrences have its people. $1 at most.
SELECT id, n_recipients, erased_to FROM plan
 WHERE terms ? 'sensitive' AND erased_at IS NULL AND finished_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM plan o WHERE o.series_id = plan.id AND NOT o.expanded)
   AND erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)) <= now()
 ORDER BY erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)) LIMIT $1
