-- Nobody calls for a while: a quota is used up. $1 account, $2 pause in ms, $3 why.
INSERT INTO account_health AS h (account_id, paused_at, paused_until, pause_reason)
VALUES ($1, now(), now() + $2::double precision * interval '1 ms', $3)
ON CONFLICT (account_id) DO UPDATE SET paused_at = CASE WHEN excluded.paused_until > h.paused_until THEN now() ELSE h.paused_at END,
       paused_until = greatest(h.paused_until, excluded.paused_until), pause_reason = excluded.pause_reason
