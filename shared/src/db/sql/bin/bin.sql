-- Puts a plan into the bin, where nothing of it is on its way. $1 tenant, $2 plan, $3 seconds it stays there.
UPDATE plan SET binned_at = now(), purge_at = now() + $3::double precision * interval '1 s', epoch = epoch + 1
 WHERE tenant_id = $1 AND id = $2 AND binned_at IS NULL AND status + 0 IN (0, 2, 6, 7, 8, 9)
RETURNING status
