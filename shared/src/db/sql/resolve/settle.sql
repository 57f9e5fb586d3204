-- What a person knows of an unknown delivery. $1 plan, $2 slot, $3 recipient, $4 status (3 sent, 5 failed), $5 reason.
UPDATE delivery
   SET status = $4::smallint, reason = $5, updated_at = now(), sent_at = CASE WHEN $4::smallint = 3 THEN now() ELSE sent_at END
 WHERE plan_id = $1 AND slot = $2 AND no = $3 AND status = 6
