-- Whether anything of a kind is due in a lane, without a lock. $1 kind, $2 lane, $3 how many seconds back to look.
SELECT EXISTS (
    SELECT FROM job j
     WHERE j.kind = $1 AND j.lane = $2 AND (j.slot & 15::smallint) = 0
       AND j.due_at <= now() AND j.due_at >= now() - $3::double precision * interval '1 s')
