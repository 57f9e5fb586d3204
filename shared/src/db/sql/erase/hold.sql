-- Lets one process at a time erase a plan, until the transaction ends. $1 plan.
-- The key is the plan's id under a prefix of its own ("E" in the bits above the 40 an id has).
SELECT pg_try_advisory_xact_lock((69::bigint << 40) + $1)
