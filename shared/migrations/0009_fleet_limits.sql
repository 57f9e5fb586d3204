-- Calls at once of an account, for the whole fleet; and limits of a tenant over all its accounts.

CREATE TABLE account_share (
    account_id      bigint NOT NULL,
    incarnation_id  bigint NOT NULL,
    places          integer NOT NULL CHECK (places >= 0),
    wanted          integer NOT NULL,
    urgent          boolean NOT NULL,
    PRIMARY KEY (account_id, incarnation_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE  account_share IS 'Who may make how many of an account''s calls at once (limits.concurrency). A share is good as long as its run''s lease; the sum of those that live is never over the limit.';
COMMENT ON COLUMN account_share.account_id IS 'The account.';
COMMENT ON COLUMN account_share.incarnation_id IS 'The run of the worker; once it has ended its share is void.';
COMMENT ON COLUMN account_share.places IS 'Calls it may make at once.';
COMMENT ON COLUMN account_share.wanted IS 'Calls it would make at once if it could.';
COMMENT ON COLUMN account_share.urgent IS 'An urgent call waits there.';

ALTER TABLE tenant ADD COLUMN limits jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN tenant.limits IS 'Limits over all its accounts, set by the operator: per_second (calls), per_minute and per_day (calls, or people where "per" is "recipient").';
COMMENT ON COLUMN account.limits IS 'per_second (calls), per_minute and per_day (calls, or people where "per" is "recipient"), concurrency (calls at once): each for the whole fleet.';
COMMENT ON TABLE  account_pace IS 'What of the limits of an account, or of a tenant, is given out already. A slice of time is given to one worker, so slices never overlap.';
COMMENT ON COLUMN account_pace.account_id IS 'The account; a tenant''s own limits are under its id, negative.';
