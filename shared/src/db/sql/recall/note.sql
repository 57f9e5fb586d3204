-- Notes what became of messages, and how far a recall has come, unless somebody else has it. One row back when it is still the caller's.
-- $1 job, $2 token, $3 plan, $4 slots, $5 los, $6 numbers, $7 what became of them (parallel), $8 the place, $9 due again in so many seconds.
WITH held AS (
    UPDATE job SET members = $8, due_at = now() + $9::double precision * interval '1 s' WHERE id = $1 AND token = $2 RETURNING id
), noted AS (
    UPDATE attempt a SET recalled = w.became
      FROM held h, unnest($4::smallint[], $5::integer[], $6::smallint[], $7::smallint[]) AS w(slot, lo, number, became)
     WHERE a.plan_id = $3 AND a.slot = w.slot AND a.lo = w.lo AND a.number = w.number AND a.recalled IS NULL
)
SELECT id FROM held
