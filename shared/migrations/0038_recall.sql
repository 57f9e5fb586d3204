-- What is withdrawn: providers that can take a message back are asked, and a draft may take a withdrawn plan's place.

ALTER TABLE attempt ADD COLUMN recalled smallint CHECK (recalled BETWEEN 1 AND 3);
COMMENT ON COLUMN attempt.recalled IS 'Of a recalled plan, what became of the message: 1 the provider took it back, 2 it was too late, 3 it cannot be taken back (domain::recall::Withdrawal). NULL: not asked.';

ALTER TABLE job DROP CONSTRAINT job_kind_check, ADD CONSTRAINT job_kind_check CHECK (kind BETWEEN 0 AND 4);
COMMENT ON COLUMN job.kind IS '0 expand, 1 deliver, 2 escalate, 3 ask, 4 recall: what went out of a recalled plan is to be taken back. One a plan; the workers take it.';
COMMENT ON COLUMN job.members IS 'Which of lo..hi; NULL: all that are pending at its attempt. Of a recall: slot, lo and number of the attempt it has come to.';

ALTER TABLE plan ADD COLUMN supersedes bigint, ADD COLUMN superseded_by bigint;
COMMENT ON COLUMN plan.supersedes IS 'The recalled plan whose place it takes: made by recall and edit.';
COMMENT ON COLUMN plan.superseded_by IS 'Of a recalled plan, the one that takes its place; once that is sent, the pages people hold lead there.';
