-- Pausing, ending and reopening plans; dead letters.

-- Jobs of a halted plan are parked: their due time is put a thousand years off, so that admission never meets them. The plan
-- says that it may have such jobs, for the sweep that puts them back; the flag changes twice a pause, so its index costs nothing else.
ALTER TABLE plan ADD COLUMN parked boolean NOT NULL DEFAULT false;
CREATE INDEX plan_parked ON plan (id) WHERE parked;
COMMENT ON COLUMN plan.parked IS 'Jobs of it may be parked (due in a thousand years): set by pause, cleared by the sweep that has put them back.';

-- Where to look for dead letters. A partial index on failed deliveries would end HOT updates of delivery: the column of a
-- predicate counts as indexed, and every settle changes status. This one changes with a plan's first failure, and when the last is redriven.
ALTER TABLE plan ADD COLUMN dead boolean NOT NULL GENERATED ALWAYS AS (n_failed > 0) STORED;
CREATE INDEX plan_dead ON plan (tenant_id, id) WHERE dead;
COMMENT ON COLUMN plan.dead IS 'It has failed deliveries.';

-- By due time too: what is parked of a plan, and what is not, are ranges. Updates of job are never HOT (job_due), so it costs no more.
DROP INDEX job_plan;
CREATE INDEX job_plan ON job (plan_id, due_at);

-- Two more edges: a plan paused before its time is scheduled again when resumed, and a paused plan whose last calls have ended is finished.
DROP TRIGGER plan_graph ON plan;
CREATE TRIGGER plan_graph BEFORE UPDATE OF status ON plan FOR EACH ROW
WHEN (
    old.status <> new.status
    AND ((ARRAY[26, 156, 1, 944, 992, 984, 144, 0, 0, 0])[old.status + 1] >> new.status) & 1 = 0
)
EXECUTE FUNCTION refuse_plan_move();

-- A final status is no longer for good: an unknown one is resolved, a failed one redriven. The best of a recipient then is what the
-- others still have. Locked in a statement of its own, so that the next one sees what writers before it left of the other channels.
CREATE OR REPLACE FUNCTION tally_recipients(plans bigint[], nos integer[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM (SELECT DISTINCT c.plan_id, c.no FROM unnest(plans, nos) AS c(plan_id, no)) AS c
       JOIN recipient r ON r.plan_id = c.plan_id AND r.no = c.no
      ORDER BY c.plan_id, c.no FOR NO KEY UPDATE OF r;
    WITH change AS (
        SELECT c.plan_id, c.no, coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               array_agg(c.status) FILTER (WHERE c.n > 0 AND c.status <> 0) AS finals,
               array_agg(c.status) FILTER (WHERE c.n < 0 AND c.status <> 0) AS left_behind
          FROM unnest(plans, nos, statuses, deltas) AS c(plan_id, no, status, n)
         GROUP BY c.plan_id, c.no
    )
    UPDATE recipient r
       SET open = r.open + l.open,
           best = (SELECT coalesce((array_agg(s ORDER BY (ARRAY[0, 0, 0, 7, 8, 5, 6, 2, 3, 4])[s + 1] DESC))[1], 0)
                     FROM unnest(l.finals || CASE WHEN r.best = ANY(l.left_behind) THEN ARRAY(
                              SELECT d.status FROM plan p CROSS JOIN LATERAL unnest(p.slots) AS w(slot)
                               CROSS JOIN LATERAL (SELECT d.status FROM delivery d
                                                    WHERE d.plan_id = r.plan_id AND d.slot = w.slot AND d.no = r.no OFFSET 0) AS d
                               WHERE p.id = r.plan_id)
                          ELSE ARRAY[r.best] END) AS s)
      FROM change l
     WHERE r.plan_id = l.plan_id AND r.no = l.no;
END $$;
