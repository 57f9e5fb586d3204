-- An account for the worker that is to use it. $1 id.
SELECT uid, tenant_id, name, provider, settings, secret, limits, version, state = 2
  FROM account WHERE id = $1 AND enabled AND deleted_at IS NULL
