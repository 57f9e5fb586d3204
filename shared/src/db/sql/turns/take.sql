-- Takes a turn as it was seen. $1 channel, $2 lane, $3 run, $4 epoch seen (0: no row yet). No row: somebody was faster.
INSERT INTO admission_turn (channel, lane, owner, epoch) VALUES ($1, $2, $3, 1)
    ON CONFLICT (channel, lane) DO UPDATE SET owner = excluded.owner, epoch = admission_turn.epoch + 1
 WHERE admission_turn.epoch = $4
RETURNING epoch
