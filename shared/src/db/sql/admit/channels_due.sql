-- Channels with something due. $1 lane, $2 channels.
SELECT c FROM unnest($2::smallint[]) AS c
 WHERE EXISTS (SELECT FROM job j
                WHERE j.kind = 1 AND j.lane = $1 AND (j.slot & 15::smallint) = c AND j.due_at <= now() AND j.state < 2)
