-- One worker at a time changes its share of an account's calls at once. Until the transaction ends; a statement of its own, so that the
-- next one's snapshot holds all shares. $1 account.
SELECT pg_advisory_xact_lock(144115188075855872 + $1::bigint)
