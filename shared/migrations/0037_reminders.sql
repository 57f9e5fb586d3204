-- Reminders: a further round of a plan to some of its people, on channels of its own, beside the ladder (rule 20).
--
-- A round's deliveries have slots of step 128 and up, so they are claimed, settled and counted as all others are. Its people are
-- chosen by a job of kind 0 with that step, in chunks, like an expansion; whether they still are whom it is for is asked in the claim.

CREATE TABLE reminder (
    plan_id     bigint NOT NULL,
    step        smallint NOT NULL CHECK (step BETWEEN 128 AND 255),
    who         smallint NOT NULL CHECK (who BETWEEN 1 AND 4),
    slots       smallint[] NOT NULL CHECK (cardinality(slots) BETWEEN 1 AND 16),
    state       smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    counted     integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plan_id, step)
);
COMMENT ON TABLE  reminder IS 'Rounds of a plan outside its ladder: reminders.';
COMMENT ON COLUMN reminder.plan_id IS 'The plan. No foreign key, as everywhere below a plan.';
COMMENT ON COLUMN reminder.step IS 'The step number of its slots, from 128: the first reminder is 128.';
COMMENT ON COLUMN reminder.who IS 'Whom it is for: 1 failed, 2 unread, 3 unanswered, 4 people named one by one (domain::reminder::Who).';
COMMENT ON COLUMN reminder.slots IS 'Its slots (step * 16 + channel); appended to the plan''s when it begins.';
COMMENT ON COLUMN reminder.state IS '0 asked for, 1 the plan''s people are being counted (see plan.uncounted), 2 its deliveries are being made, or are made.';
COMMENT ON COLUMN reminder.counted IS 'In state 1: people up to this position are counted.';
COMMENT ON COLUMN reminder.created_at IS 'When it was asked for.';
COMMENT ON COLUMN job.slot IS 'tier * 16 + channel; for expand the tier * 16, for a reminder''s expand its step * 16.';

ALTER TABLE plan ADD COLUMN uncounted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN plan.uncounted IS 'It had one slot, so its people have no counts of their own (recipient.open, best); a reminder is making them.';
COMMENT ON COLUMN plan.expanded IS 'Every delivery of tier 1, and of reminders asked for, exists; set by the last chunk of expand.';

-- Whether somebody is no longer one of those a reminder is for: they have read, answered, or got it in another way.
-- By key; only asked for slots of reminders.
CREATE FUNCTION reminder_over(the_plan bigint, the_slot smallint, the_no integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    who smallint;
    r record;
BEGIN
    SELECT m.who INTO who FROM reminder m WHERE m.plan_id = the_plan AND m.step = the_slot >> 4;
    SELECT x.read_at, x.answered_at INTO r FROM recipient x WHERE x.plan_id = the_plan AND x.no = the_no;
    RETURN CASE who
        WHEN 1 THEN r.read_at IS NOT NULL OR EXISTS (
             SELECT FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS s(slot)
              CROSS JOIN LATERAL (SELECT d.status FROM delivery d WHERE d.plan_id = the_plan AND d.slot = s.slot AND d.no = the_no OFFSET 0) AS d
              WHERE p.id = the_plan AND s.slot >> 4 <> the_slot >> 4 AND d.status IN (3, 4))
        WHEN 2 THEN r.read_at IS NOT NULL
        WHEN 3 THEN r.answered_at IS NOT NULL
        ELSE false END;
END $$;
COMMENT ON FUNCTION reminder_over IS 'Same rule as domain::reminder::Who::is_over.';

-- As before; of a plan with reminders what people have is counted anew, not by differences: what was settled while its people had no
-- counts yet cannot be left out then.
CREATE OR REPLACE FUNCTION tally_recipients(plans bigint[], nos integer[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    reminding bigint[];
BEGIN
    PERFORM FROM (SELECT DISTINCT c.plan_id, c.no FROM unnest(plans, nos) AS c(plan_id, no)) AS c
       JOIN recipient r ON r.plan_id = c.plan_id AND r.no = c.no
      ORDER BY c.plan_id, c.no FOR NO KEY UPDATE OF r;
    SELECT array_agg(p.id) INTO reminding
      FROM (SELECT DISTINCT c.plan_id FROM unnest(plans) AS c(plan_id)) AS c
      JOIN plan p ON p.id = c.plan_id AND p.slots[cardinality(p.slots)] >= 2048;
    IF reminding IS NOT NULL THEN
        UPDATE recipient r SET open = n.open, best = n.best
          FROM (SELECT DISTINCT c.plan_id, c.no FROM unnest(plans, nos) AS c(plan_id, no) WHERE c.plan_id = ANY(reminding)) AS c
         CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE d.status = 0) AS open,
                      coalesce((array_agg(d.status ORDER BY (ARRAY[0, 0, 0, 7, 8, 3, 6, 2, 4, 5])[d.status + 1] DESC) FILTER (WHERE d.status <> 0))[1], 0) AS best
                 FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS w(slot)
                CROSS JOIN LATERAL (SELECT d.status FROM delivery d
                                     WHERE d.plan_id = c.plan_id AND d.slot = w.slot AND d.no = c.no OFFSET 0) AS d
                WHERE p.id = c.plan_id) AS n
         WHERE r.plan_id = c.plan_id AND r.no = c.no;
    END IF;
    WITH change AS (
        SELECT c.plan_id, c.no, coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               array_agg(c.status) FILTER (WHERE c.n > 0 AND c.status <> 0) AS finals,
               array_agg(c.status) FILTER (WHERE c.n < 0 AND c.status <> 0) AS left_behind
          FROM unnest(plans, nos, statuses, deltas) AS c(plan_id, no, status, n)
         WHERE reminding IS NULL OR c.plan_id <> ALL(reminding)
         GROUP BY c.plan_id, c.no
    )
    UPDATE recipient r
       SET open = r.open + l.open,
           best = (SELECT coalesce((array_agg(s ORDER BY (ARRAY[0, 0, 0, 7, 8, 3, 6, 2, 4, 5])[s + 1] DESC))[1], 0)
                     FROM unnest(l.finals || CASE WHEN r.best = ANY(l.left_behind) THEN ARRAY(
                              SELECT d.status FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS w(slot)
                               CROSS JOIN LATERAL (SELECT d.status FROM delivery d
                                                    WHERE d.plan_id = r.plan_id AND d.slot = w.slot AND d.no = r.no OFFSET 0) AS d
                               WHERE p.id = r.plan_id)
                          ELSE ARRAY[r.best] END) AS s)
      FROM change l
     WHERE r.plan_id = l.plan_id AND r.no = l.no;
END $$;
