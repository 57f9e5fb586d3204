-- A draft goes out, now or at its time. $1 plan, $2 expires_at, $3 traceparent or NULL, $4 send_at.
UPDATE plan
   SET status = CASE WHEN $4::timestamptz > now() THEN 3 ELSE 4 END, send_at = $4, expires_at = $2, traceparent = coalesce($3, traceparent), epoch = epoch + 1,
       n_waiting = CASE WHEN untils IS NULL OR terms ? 'recurrence' THEN 0 ELSE n_recipients END
 WHERE id = $1 AND status + 0 = 0
