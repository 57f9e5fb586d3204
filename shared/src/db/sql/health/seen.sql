-- How the accounts in use are. $1 accounts.
SELECT account_id, extract(epoch FROM least(greatest(paused_until, now()), now() + interval '1 day') - now())::double precision * 1000, breaker = 1,
       CASE WHEN paused_until > now() THEN paused_until - paused_at >= interval '60 s' ELSE false END
  FROM account_health WHERE account_id = ANY($1) AND (paused_until > now() OR breaker = 1)
