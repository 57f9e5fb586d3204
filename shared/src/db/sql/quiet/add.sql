-- Windows of a tenant. $1 tenant, $2 channels, $3 first minutes, $4 first minutes after them: parallel arrays.
INSERT INTO quiet_window (tenant_id, channel, begins, ends)
SELECT $1, w.channel, w.begins, w.ends FROM unnest($2::smallint[], $3::smallint[], $4::smallint[]) AS w(channel, begins, ends)
    ON CONFLICT DO NOTHING
