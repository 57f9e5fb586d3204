-- A tenant's own windows, each with its channels. $1 tenant.
SELECT begins, ends, array_agg(channel ORDER BY channel) FROM quiet_window WHERE tenant_id = $1 AND NOT law GROUP BY begins, ends ORDER BY begins, ends
