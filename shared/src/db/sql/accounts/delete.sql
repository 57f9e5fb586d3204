-- Deletes an account unless work needs it: a job names it, or a job of its channel still has to choose an account and
-- there is no other. The row stays, without its secret, so that old attempts keep their account.
-- One row: whether it exists and whether it is in use.
-- $1 tenant, $2 public id.
WITH found AS (
    SELECT id, channel FROM account WHERE tenant_id = $1 AND uid = $2 AND deleted_at IS NULL FOR UPDATE
), used AS (
    SELECT f.id, f.id IS NOT NULL AND (
        EXISTS (SELECT FROM job j WHERE j.tenant_id = $1 AND j.account_id = f.id)
        OR EXISTS (
            SELECT FROM job j JOIN plan p ON p.id = j.plan_id
            WHERE j.tenant_id = $1 AND j.account_id IS NULL
              AND (j.slot % 16 = f.channel OR (j.slot % 16 = 0 AND EXISTS (SELECT FROM unnest(p.slots) s WHERE s % 16 = f.channel)))
              AND NOT EXISTS (
                  SELECT FROM account o
                  WHERE o.tenant_id = $1 AND o.channel = f.channel AND o.enabled AND o.deleted_at IS NULL AND o.id <> f.id))
    ) AS in_use
    FROM found f
), gone AS (
    UPDATE account a SET deleted_at = now(), secret = NULL, enabled = false
    FROM used u WHERE a.id = u.id AND NOT u.in_use
)
SELECT EXISTS (SELECT FROM found) AS found, coalesce((SELECT in_use FROM used), false) AS in_use
