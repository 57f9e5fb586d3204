-- An account that was down works again. $1 account.
UPDATE account SET state = 0, reason = NULL, since = now() WHERE id = $1 AND state = 2
