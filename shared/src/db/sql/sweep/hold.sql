-- Keeps other sweeps off a plan until this transaction ends; whether that was possible. $1 plan.
-- The key is the plan's id under a prefix of its own ("S" in the bits above the 40 an id has).
SELECT pg_try_advisory_xact_lock((83::bigint << 40) + $1)
