-- An account goes out of use. $1 account, $2 reason, $3 the version that was used: credentials corrected meanwhile are not blamed for
-- what the old ones did. No row when it was down already (its clock starts again only after a probe).
UPDATE account SET state = 2, reason = $2, since = now() WHERE id = $1 AND version = $3 AND (state <> 2 OR since < now() - interval '30 s')
