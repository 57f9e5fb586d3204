-- The right to add people to a plan that was sent, until the transaction ends: positions are given out by one at a time, and nobody who
-- settles its deliveries waits for that. The key is the plan's id under a prefix of its own ("A" in the bits above an id's). $1 plan.
SELECT pg_try_advisory_xact_lock((65::bigint << 40) + $1::bigint)
