-- Batch calls in part, and access tokens shared by all workers.

CREATE TABLE attempt_exception (
    plan_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    lo          integer NOT NULL,
    number      smallint NOT NULL,
    no          integer NOT NULL,
    outcome     smallint NOT NULL CHECK (outcome BETWEEN 1 AND 3),
    code        text NOT NULL,
    detail      text NOT NULL,
    PRIMARY KEY (plan_id, slot, lo, number, no)
);
COMMENT ON TABLE  attempt_exception IS 'A member that a sent batch call left out. The attempt row says what became of everybody else.';
COMMENT ON COLUMN attempt_exception.plan_id IS 'The plan. With slot, lo and number the key of the attempt. No foreign key: hot table.';
COMMENT ON COLUMN attempt_exception.slot IS 'tier * 16 + channel.';
COMMENT ON COLUMN attempt_exception.lo IS 'First recipient no of the call.';
COMMENT ON COLUMN attempt_exception.number IS 'Attempt number.';
COMMENT ON COLUMN attempt_exception.no IS 'The recipient left out.';
COMMENT ON COLUMN attempt_exception.outcome IS '1 transient failure, 2 permanent failure, 3 unknown (domain::Outcome).';
COMMENT ON COLUMN attempt_exception.code IS 'What the provider called it, e.g. invaliduser.';
COMMENT ON COLUMN attempt_exception.detail IS 'The same in words, without addresses.';

CREATE TABLE provider_token (
    account_id          bigint PRIMARY KEY REFERENCES account,
    version             integer NOT NULL,
    serial              bigint NOT NULL DEFAULT 0,
    token               bytea,
    expires_at          timestamptz,
    refreshing_until    timestamptz,
    refused_code        text,
    CHECK ((token IS NULL) = (expires_at IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE  provider_token IS 'The access token of an account, fetched by one worker at a time and used by all. Losing a row costs one fetch.';
COMMENT ON COLUMN provider_token.account_id IS 'Whose.';
COMMENT ON COLUMN provider_token.version IS 'account.version it was fetched with; changed credentials make it void.';
COMMENT ON COLUMN provider_token.serial IS 'Counts fetches: whoever finds token 7 refused asks for a later one, and the first to ask fetches it.';
COMMENT ON COLUMN provider_token.token IS 'Sealed under the master key, bound to account and version; NULL before the first fetch.';
COMMENT ON COLUMN provider_token.expires_at IS 'When to stop using it: some minutes before the provider does.';
COMMENT ON COLUMN provider_token.refreshing_until IS 'Lease of the one that fetches; after a refusal, when it may be tried again. NULL: free.';
COMMENT ON COLUMN provider_token.refused_code IS 'The provider''s code when the last fetch was refused.';
