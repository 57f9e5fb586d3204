-- How the accounts in use are. $1 accounts.
SELECT account_id, extract(epoch FROM least(greatest(paused_until, now()), now() + interval '1 day') - now())::double precision * 1000, factor, breaker = 1
  FROM account_health WHERE account_id = ANY($1) AND (paused_until > now() OR factor < 1 OR breaker = 1)
