-- Approval: a plan that needs it waits in status 1 until a person has agreed to each of its steps, in order. A round is the time between
-- asking and the last decision; it is named by plan.epoch, which every edit moves on: what was decided in an older round is void.

CREATE TABLE approval_rule (
    tenant_id   bigint PRIMARY KEY,
    rules       jsonb NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  approval_rule IS 'Which plans of a tenant need approval, whatever they say themselves.';
COMMENT ON COLUMN approval_rule.tenant_id IS 'The tenant.';
COMMENT ON COLUMN approval_rule.rules IS 'domain::approval::ApprovalRules: conditions and steps.';
COMMENT ON COLUMN approval_rule.updated_at IS 'When it was last set.';

CREATE TABLE approval (
    plan_id     bigint NOT NULL,
    round       integer NOT NULL,
    step        smallint NOT NULL CHECK (step BETWEEN 1 AND 6),
    asked_at    timestamptz NOT NULL DEFAULT now(),
    opinion     smallint CHECK (opinion IN (1, 2)),
    decided_at  timestamptz,
    approver    smallint,
    key_id      bigint,
    name        text,
    comment     text,
    PRIMARY KEY (plan_id, round, step),
    CHECK ((opinion IS NULL) = (decided_at IS NULL)),
    CHECK (opinion IS NULL OR (approver IS NULL) <> (key_id IS NULL))
);
COMMENT ON TABLE  approval IS 'Who was asked whether a plan may go out, and what they said: one row a step, so one decision a step.';
COMMENT ON COLUMN approval.plan_id IS 'The plan.';
COMMENT ON COLUMN approval.round IS 'plan.epoch when this round began; rows of an older round are void.';
COMMENT ON COLUMN approval.step IS 'From 1, in the order of plan.terms.';
COMMENT ON COLUMN approval.asked_at IS 'When its approvers were to be asked.';
COMMENT ON COLUMN approval.opinion IS '1 approved 2 rejected (domain::approval::Opinion). NULL: nobody has decided.';
COMMENT ON COLUMN approval.decided_at IS 'When somebody decided.';
COMMENT ON COLUMN approval.approver IS 'Which of the step''s approvers decided, from 1; NULL: an API key did.';
COMMENT ON COLUMN approval.key_id IS 'The API key that decided; NULL: an approver did, by their page.';
COMMENT ON COLUMN approval.name IS 'What whoever decided was called then.';
COMMENT ON COLUMN approval.comment IS 'Their words.';

CREATE TABLE notice (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id     bigint NOT NULL,
    kind        smallint NOT NULL CHECK (kind IN (1, 2)),
    round       integer NOT NULL,
    step        smallint NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notice_due ON notice (due_at);
COMMENT ON TABLE  notice IS 'Messages about plans that are still to be written: made in the commit that gives the reason, deleted in the one that writes the message as a plan.';
COMMENT ON COLUMN notice.id IS 'Internal id.';
COMMENT ON COLUMN notice.plan_id IS 'The plan it is about.';
COMMENT ON COLUMN notice.kind IS '1 asks the approvers of a step, 2 tells the sender what became of it.';
COMMENT ON COLUMN notice.round IS 'The round of approval it belongs to.';
COMMENT ON COLUMN notice.step IS 'The step whose approvers are asked; 0 otherwise.';
COMMENT ON COLUMN notice.tries IS 'How often it could not be written (no account to send by).';
COMMENT ON COLUMN notice.due_at IS 'When it is tried next.';
COMMENT ON COLUMN notice.created_at IS 'When the reason for it came up.';

-- What waits for approval expires too.
CREATE INDEX plan_awaiting ON plan (expires_at) WHERE status = 1;

-- Three more edges: a plan that waits for approval may be edited (draft) and may expire; the others as before.
DROP TRIGGER plan_graph ON plan;
CREATE TRIGGER plan_graph BEFORE UPDATE OF status ON plan FOR EACH ROW
WHEN (
    old.status <> new.status
    AND ((ARRAY[26, 669, 1, 944, 992, 984, 144, 0, 0, 0])[old.status + 1] >> new.status) & 1 = 0
)
EXECUTE FUNCTION refuse_plan_move();

-- Asks the approvers of a step.
CREATE FUNCTION ask_approval(the_plan bigint, the_round integer, the_step integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO approval (plan_id, round, step) VALUES (the_plan, the_round, the_step);
    INSERT INTO notice (plan_id, kind, round, step) VALUES (the_plan, 1, the_round, the_step);
$$;
COMMENT ON FUNCTION ask_approval IS 'Begins a step: its row in approval, and the notice to its approvers.';

-- A plan that is accepted waiting begins its first round, whoever wrote it.
CREATE FUNCTION plan_awaits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ask_approval(new.id, new.epoch, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER plan_awaits AFTER INSERT ON plan FOR EACH ROW WHEN (new.status = 1) EXECUTE FUNCTION plan_awaits();

-- Tells the sender, if the plan names one.
CREATE FUNCTION tell_sender(the_plan bigint, the_round integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO notice (plan_id, kind, round, step) SELECT p.id, 2, the_round, 0 FROM plan p WHERE p.id = the_plan AND p.terms ? 'sender'
$$;
COMMENT ON FUNCTION tell_sender IS 'Leaves a notice for the sender of a plan.';

-- Lets a plan go out that waited or was a draft: at once, or at its time. The caller holds its row. A pattern is scheduled, whatever time it
-- is by then: what of it has passed is its series' business (0040).
CREATE FUNCTION start_plan(the_plan bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE plan
       SET status = CASE WHEN send_at > now() OR coalesce(terms ? 'recurrence', false) THEN 3 ELSE 4 END, epoch = epoch + 1,
           n_waiting = CASE WHEN untils IS NULL OR terms ? 'recurrence' THEN 0 ELSE n_recipients END
     WHERE id = the_plan;
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
    SELECT nextval('job_id'), 0, p.id, p.tenant_id, 16, p.lane, p.n_recipients, 1, p.n_recipients, coalesce(p.send_at, now())
      FROM plan p WHERE p.id = the_plan;
$$;
COMMENT ON FUNCTION start_plan IS 'Scheduled or running from now on, with the job that makes its deliveries.';

-- One decision. Everything happens under the plan's lock, so of two at once one finds the step decided.
-- over: the plan does not wait in that round any more. decided: the step was decided before. Else what came of it: rejected, passed (there
-- is another step), approved.
CREATE FUNCTION decide_approval(the_plan bigint, the_round integer, the_step integer, the_opinion integer, by_approver integer, by_key bigint,
                                by_name text, words text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p record;
BEGIN
    SELECT x.status, x.epoch, x.expires_at <= now() AS late, jsonb_array_length(x.terms #> '{approval,steps}') AS steps INTO p
      FROM plan x WHERE x.id = the_plan FOR NO KEY UPDATE;
    IF NOT FOUND OR p.status <> 1 OR p.epoch <> the_round OR p.late THEN
        RETURN 'over';
    END IF;
    UPDATE approval a
       SET opinion = the_opinion, decided_at = now(), approver = by_approver, key_id = by_key, name = by_name, comment = words
     WHERE a.plan_id = the_plan AND a.round = the_round AND a.step = the_step AND a.opinion IS NULL;
    IF NOT FOUND THEN
        RETURN 'decided';
    END IF;
    IF the_opinion = 2 THEN
        UPDATE plan SET status = 2 WHERE id = the_plan;
        PERFORM tell_sender(the_plan, the_round);
        RETURN 'rejected';
    END IF;
    IF the_step < p.steps THEN
        PERFORM ask_approval(the_plan, the_round, the_step + 1);
        RETURN 'passed';
    END IF;
    PERFORM start_plan(the_plan);
    PERFORM tell_sender(the_plan, the_round);
    RETURN 'approved';
END $$;
COMMENT ON FUNCTION decide_approval IS 'An approver''s or a key''s opinion on the step of a plan that is to be decided.';
