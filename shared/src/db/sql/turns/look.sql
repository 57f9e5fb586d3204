-- Every run with its beat, and every turn with its owner: one list of two kinds of rows.
SELECT true, id, beat, NULL::smallint, NULL::smallint, NULL::bigint FROM dispatcher_run
UNION ALL
SELECT false, coalesce(owner, 0), epoch, channel, lane, owner FROM admission_turn
