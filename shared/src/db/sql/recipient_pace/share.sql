-- Keeps rounds of an account from being entered while messages to its recipients are counted; both may not be decided on the same
-- numbers. Until the transaction ends; a statement of its own, so that the next one's snapshot holds what was entered before. $1 account.
SELECT pg_advisory_xact_lock_shared(72057594037927936 + $1::bigint)
