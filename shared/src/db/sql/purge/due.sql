-- Purges plans whose time in the bin is over, oldest first, as sql/bin/purge.sql does one. $1 plans at most.
UPDATE plan
   SET purged_at = now(), purging = true, title = '', content = '{}', acknowledgement = NULL, metadata = NULL, answers = NULL, traceparent = NULL, terms = NULL,
       epoch = epoch + 1
 WHERE id = ANY (ARRAY(SELECT id FROM plan WHERE purge_at IS NOT NULL AND purged_at IS NULL AND purge_at <= now()
                        ORDER BY purge_at LIMIT $1 FOR UPDATE SKIP LOCKED))
