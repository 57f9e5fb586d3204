-- Limits per account and recipient that a provider keeps in silence (domain::recipients). A large call is not counted person by person:
-- it is part of a round (plan, slot, attempt), which reaches everybody once at most, and the round counts for everybody.

CREATE TABLE recipient_pace (
    account_id  bigint NOT NULL,
    member      bigint NOT NULL,
    times       integer[] NOT NULL,
    asked       integer NOT NULL,
    given       integer NOT NULL,
    hot         boolean NOT NULL,
    queue_at    integer NOT NULL DEFAULT 0,
    queued      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, member)
) WITH (fillfactor = 70, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX recipient_pace_hot ON recipient_pace (account_id) WHERE hot;
COMMENT ON TABLE  recipient_pace IS 'Messages lately given leave to one recipient of an account that limits them in silence; those in rounds are in recipient_round. Tidied away when old.';
COMMENT ON COLUMN recipient_pace.account_id IS 'The account.';
COMMENT ON COLUMN recipient_pace.member IS 'Who: a 64-bit hash of the address.';
COMMENT ON COLUMN recipient_pace.times IS 'When each was given leave (Unix seconds), ascending; those older than the longest span are dropped at the next one.';
COMMENT ON COLUMN recipient_pace.asked IS 'Messages the last statement wanted leave for.';
COMMENT ON COLUMN recipient_pace.given IS 'How many of them it got.';
COMMENT ON COLUMN recipient_pace.hot IS 'More than half of a limit was used: rounds must look at this recipient.';
COMMENT ON COLUMN recipient_pace.queue_at IS 'When those held back may begin to go (Unix seconds).';
COMMENT ON COLUMN recipient_pace.queued IS 'How many were held back until then and later: as many as the shortest limit allows come back in each of its spans.';

CREATE TABLE recipient_round (
    account_id  bigint NOT NULL,
    plan_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    attempt     smallint NOT NULL,
    seen        integer NOT NULL,
    PRIMARY KEY (account_id, plan_id, slot, attempt)
);
COMMENT ON TABLE  recipient_round IS 'Plans that lately went out by large calls of such an account, counted as one message to everybody. At most half of a limit; beyond that their recipients are counted one by one.';
COMMENT ON COLUMN recipient_round.account_id IS 'The account.';
COMMENT ON COLUMN recipient_round.plan_id IS 'The plan.';
COMMENT ON COLUMN recipient_round.slot IS 'tier * 16 + channel.';
COMMENT ON COLUMN recipient_round.attempt IS 'The attempt its deliveries are at: another attempt is another message.';
COMMENT ON COLUMN recipient_round.seen IS 'When a worker last said that it goes on (Unix seconds).';
