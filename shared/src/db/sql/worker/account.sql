-- An account for the worker that is to use it, with its tenant's limits. $1 id.
SELECT a.uid, a.tenant_id, a.name, a.provider, a.settings, a.secret, a.limits, a.version, a.state = 2, t.limits
  FROM account a JOIN tenant t ON t.id = a.tenant_id WHERE a.id = $1 AND a.enabled AND a.deleted_at IS NULL
