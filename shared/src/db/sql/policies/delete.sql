-- Deletes a policy that is disabled and that no plan takes its tiers from which is not over. One row: whether it was there, is enabled, is used.
-- $1 tenant, $2 public id.
WITH found AS (
    SELECT id, enabled FROM policy WHERE tenant_id = $1 AND uid = $2 FOR UPDATE
), used AS (
    SELECT f.id, f.enabled, EXISTS (
               SELECT FROM plan p
                WHERE p.tenant_id = $1 AND p.terms ? 'policy' AND p.status < 6 AND p.terms #>> '{policy,id}' = $2::uuid::text) AS in_use
      FROM found f
), gone AS (
    DELETE FROM policy p USING used u WHERE p.id = u.id AND NOT u.enabled AND NOT u.in_use
)
SELECT EXISTS (SELECT FROM found) AS found, coalesce((SELECT enabled FROM used), false) AS enabled, coalesce((SELECT in_use FROM used), false) AS in_use
