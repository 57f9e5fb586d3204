-- Every secret of every tenant, locked, for sealing them again under a new master key. The operator's command, so
-- it is not scoped by tenant.
SELECT uid, secret FROM subscription ORDER BY id FOR UPDATE
