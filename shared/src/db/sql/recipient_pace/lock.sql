-- Enters a round alone: see share.sql. $1 account.
SELECT pg_advisory_xact_lock(72057594037927936 + $1::bigint)
