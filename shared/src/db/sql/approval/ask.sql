-- A draft waits for approval: its first round begins. The caller holds the plan. $1 plan, $2 expires_at, $3 traceparent or NULL, $4 its
-- approval, $5 the key that sends it, one more of its authors, $6 send_at.
WITH waits AS (
    UPDATE plan
       SET status = 1, send_at = $6, expires_at = $2, traceparent = coalesce($3, traceparent), epoch = epoch + 1,
           terms = coalesce(terms, '{}') || jsonb_build_object('approval', $4::jsonb,
                       'authors', coalesce(terms -> 'authors', '[]') || to_jsonb($5::bigint))
     WHERE id = $1 AND status + 0 = 0
    RETURNING id, epoch
)
SELECT ask_approval(id, epoch, 1) FROM waits
