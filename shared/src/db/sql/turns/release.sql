-- Gives up turns for whoever is to have them. $1 run, $2 channels, $3 lanes (parallel).
UPDATE admission_turn t SET owner = NULL, epoch = epoch + 1
  FROM unnest($2::smallint[], $3::smallint[]) AS g(channel, lane)
 WHERE t.channel = g.channel AND t.lane = g.lane AND t.owner = $1
