-- Plans that waited for approval until their time was over; nothing was made of them. Their senders are told. $1 plans at most.
WITH over AS (
    UPDATE plan
       SET status = 9, epoch = epoch + 1, expanded = true, finished_at = now(), n_waiting = CASE WHEN untils IS NULL THEN 0 ELSE n_recipients END
     WHERE id = ANY (ARRAY(SELECT id FROM plan WHERE status = 1 AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id, epoch
)
SELECT id, tell_sender(id, epoch - 1) FROM over
