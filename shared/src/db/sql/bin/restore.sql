-- Takes a plan out of the bin, as it was. $1 tenant, $2 plan.
UPDATE plan SET binned_at = NULL, purge_at = NULL, epoch = epoch + 1
 WHERE tenant_id = $1 AND id = $2 AND binned_at IS NOT NULL AND purged_at IS NULL
RETURNING status
