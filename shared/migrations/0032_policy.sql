-- Policies: named ladders. Plans take a snapshot when they are accepted: nothing here is read when they are sent (rule 18).

CREATE TABLE policy_number (
    tenant_id       bigint PRIMARY KEY REFERENCES tenant,
    last            integer NOT NULL CHECK (last >= 1)
);
COMMENT ON TABLE  policy_number IS 'Which number a tenant''s newest policy has; a number is never given twice.';
COMMENT ON COLUMN policy_number.tenant_id IS 'Owner of the policies.';
COMMENT ON COLUMN policy_number.last IS 'The highest number given.';

CREATE TABLE policy (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             uuid NOT NULL UNIQUE,
    tenant_id       bigint NOT NULL REFERENCES tenant,
    number          integer NOT NULL CHECK (number >= 1),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    enabled         boolean NOT NULL DEFAULT true,
    version         integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    rules           jsonb NOT NULL,
    tiers           jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, number)
);
CREATE UNIQUE INDEX policy_name ON policy (tenant_id, name);
CREATE INDEX policy_list ON policy (tenant_id, id);
COMMENT ON TABLE  policy IS 'A named, reusable list of tiers. Its name stays as it was made: plans are written with it.';
COMMENT ON COLUMN policy.id IS 'Internal id; the order of lists.';
COMMENT ON COLUMN policy.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN policy.tenant_id IS 'Owner.';
COMMENT ON COLUMN policy.number IS 'Counted per tenant; shown as P0001.';
COMMENT ON COLUMN policy.name IS 'Unique within the tenant.';
COMMENT ON COLUMN policy.enabled IS 'Whether new plans may name it; only a disabled one can be deleted.';
COMMENT ON COLUMN policy.version IS 'Counts changes of its rules.';
COMMENT ON COLUMN policy.rules IS 'The fields of a plan it stands for, as given (tiers, ...): read again by the code that reads plans.';
COMMENT ON COLUMN policy.tiers IS 'Its tiers as read (domain::Tier), for showing them.';
COMMENT ON COLUMN policy.created_at IS 'When it was made.';
COMMENT ON COLUMN policy.updated_at IS 'When it was last changed, enabled or disabled.';

-- An enabled policy is never deleted, whoever asks.
CREATE FUNCTION policy_is_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.enabled THEN
        RAISE EXCEPTION 'an enabled policy is not deleted: disable it first' USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_is_disabled';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER policy_is_disabled BEFORE DELETE ON policy FOR EACH ROW EXECUTE FUNCTION policy_is_disabled();

-- Which plans that are not over took a policy: looked at when one is deleted. Plans without a policy are not in it.
CREATE INDEX plan_policy ON plan ((terms #>> '{policy,id}')) WHERE terms ? 'policy' AND status < 6;
