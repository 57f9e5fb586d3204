-- The provider asked for a pause: nobody calls before. The rate falls by three tenths, at most once a second.
-- $1 account, $2 pause in ms, $3 why.
INSERT INTO account_health AS h (account_id, paused_at, paused_until, pause_reason, factor, factor_at)
VALUES ($1, now(), now() + $2::double precision * interval '1 ms', $3, 0.7, now())
ON CONFLICT (account_id) DO UPDATE
   SET paused_at = CASE WHEN excluded.paused_until > h.paused_until THEN now() ELSE h.paused_at END,
       paused_until = greatest(h.paused_until, excluded.paused_until), pause_reason = excluded.pause_reason,
       factor = CASE WHEN h.factor_at < now() - interval '1 s' THEN greatest(0.1, h.factor * 0.7) ELSE h.factor END,
       factor_at = CASE WHEN h.factor_at < now() - interval '1 s' THEN now() ELSE h.factor_at END
