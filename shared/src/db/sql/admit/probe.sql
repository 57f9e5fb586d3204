-- The right to send one job through an account whose breaker is open: at most one in 5 s, whoever asks. $1 account.
UPDATE account_health SET open_until = now() + interval '5 s'
 WHERE account_id = $1 AND breaker = 1 AND open_until <= now()
