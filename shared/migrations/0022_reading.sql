-- Reading and answering: who has read and answered is noted with the recipient (read_at, answered_at, there since 0001) and counted with
-- the plan, by the statement that notes it (sql/reading/note.sql), many people in one.
ALTER TABLE plan
    ADD COLUMN n_read         integer NOT NULL DEFAULT 0 CHECK (n_read >= 0),
    ADD COLUMN n_acknowledged integer NOT NULL DEFAULT 0 CHECK (n_acknowledged >= 0),
    ADD COLUMN answers        jsonb;
COMMENT ON COLUMN plan.n_read IS 'Recipients with read_at.';
COMMENT ON COLUMN plan.n_acknowledged IS 'Recipients with answered_at; they count as having read, too.';
COMMENT ON COLUMN plan.answers IS 'How often each answer was given: option (other: a text of their own) to count. NULL: no answer yet.';
COMMENT ON COLUMN recipient.answer IS 'The option they chose; other: a text of their own.';

-- By key, so that a person's page can list what they read before. Written by the first reading only: an index over everybody who was
-- ever written to would be paid for by every plan.
CREATE TABLE opened_message (
    tenant_id   bigint NOT NULL,
    key         text NOT NULL,
    plan_id     bigint NOT NULL,
    no          integer NOT NULL,
    PRIMARY KEY (tenant_id, key, plan_id, no)
);
COMMENT ON TABLE  opened_message IS 'Messages that people with a key have read: the history on their pages.';
COMMENT ON COLUMN opened_message.tenant_id IS 'The plan''s owner.';
COMMENT ON COLUMN opened_message.key IS 'The caller''s name for the person.';
COMMENT ON COLUMN opened_message.plan_id IS 'The plan.';
COMMENT ON COLUMN opened_message.no IS 'The recipient.';

CREATE TABLE unsubscribed (
    tenant_id   bigint NOT NULL,
    address     text NOT NULL,
    plan_id     bigint NOT NULL,
    no          integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, address)
);
COMMENT ON TABLE  unsubscribed IS 'Mail addresses that left a tenant''s mailing; mail to them is suppressed unless it is urgent.';
COMMENT ON COLUMN unsubscribed.tenant_id IS 'Whose mail they get no more.';
COMMENT ON COLUMN unsubscribed.address IS 'The mail address in lower case.';
COMMENT ON COLUMN unsubscribed.plan_id IS 'The plan whose mail they left by.';
COMMENT ON COLUMN unsubscribed.no IS 'As which recipient of it.';
COMMENT ON COLUMN unsubscribed.created_at IS 'When.';
