-- Who has a link is asked who they are: a code is sent to an address that their plan has of them, and the browser in which it is entered is
-- remembered. Codes are stored as keyed hashes: whoever reads this table cannot try a million codes against it.

CREATE TABLE code (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id     bigint NOT NULL,
    no          integer NOT NULL,
    hash        bytea NOT NULL CHECK (length(hash) = 32),
    tries       smallint NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND 5),
    created_at  timestamptz NOT NULL DEFAULT now(),
    used_at     timestamptz
);
CREATE INDEX code_recipient ON code (plan_id, no, id);
COMMENT ON TABLE  code IS 'One-time codes that were sent to recipients; deleted after a day. Only the newest of a recipient is good.';
COMMENT ON COLUMN code.id IS 'Grows: the newest code of a recipient has the largest.';
COMMENT ON COLUMN code.plan_id IS 'The plan whose page asked.';
COMMENT ON COLUMN code.no IS 'The recipient it was sent to.';
COMMENT ON COLUMN code.hash IS 'HMAC-SHA-256 of plan, recipient and code under a key that is derived from the installation''s link key.';
COMMENT ON COLUMN code.tries IS 'How often somebody entered something for it; at most 5.';
COMMENT ON COLUMN code.created_at IS 'When it was made; good for 10 minutes.';
COMMENT ON COLUMN code.used_at IS 'When it was entered; it is good once.';

CREATE TABLE page_pass (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (id BETWEEN 1 AND 1099511627775),
    plan_id     bigint NOT NULL,
    no          integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);
CREATE INDEX page_pass_recipient ON page_pass (plan_id, no);
CREATE INDEX page_pass_age ON page_pass (created_at);
COMMENT ON TABLE  page_pass IS 'Browsers in which a right code was entered: each has a signed cookie that names its row. Good for 30 days, or until it is revoked.';
COMMENT ON COLUMN page_pass.id IS 'At most 40 bits: it is packed into the cookie.';
COMMENT ON COLUMN page_pass.plan_id IS 'The plan whose page it opens.';
COMMENT ON COLUMN page_pass.no IS 'The recipient whose page it opens.';
COMMENT ON COLUMN page_pass.created_at IS 'When the code was entered.';
COMMENT ON COLUMN page_pass.revoked_at IS 'When it was taken back; NULL while it is good.';
