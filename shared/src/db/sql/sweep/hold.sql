-- Keeps other sweeps off plans until this transaction ends; those with which that was possible. $1 plans.
-- The key is the plan's id under a prefix of its own ("S" in the bits above the 40 an id has).
SELECT w.id FROM unnest($1::bigint[]) AS w(id) WHERE pg_try_advisory_xact_lock((83::bigint << 40) + w.id)
