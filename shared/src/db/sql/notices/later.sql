-- A notice cannot be written now. $1 notice, $2 in how many seconds it is tried again.
UPDATE notice SET tries = tries + 1, due_at = now() + $2::double precision * interval '1 s' WHERE id = $1
