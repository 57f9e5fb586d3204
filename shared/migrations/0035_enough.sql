-- Enough (rule 13): when so many have given an answer that counts, the other ladders end `not_needed`. Counted where answers are, under the
-- plan's row lock, so exactly; from that commit on enough_at is set, and claims and marks refuse as they do for a halted plan. What is left
-- of ladders and deliveries is ended by the sweep in chunks, however many there are.

ALTER TABLE plan
    ADD COLUMN enough_at timestamptz,
    ADD COLUMN enough_no integer NOT NULL DEFAULT 0;
CREATE INDEX plan_enough ON plan (id) WHERE enough_at IS NOT NULL AND finished_at IS NULL;
COMMENT ON COLUMN plan.enough_at IS 'When enough answers were there (terms.enough): no step of its ladders is sent after this commit. Set by trigger with the answer.';
COMMENT ON COLUMN plan.enough_no IS 'Up to which recipient the sweep has ended ladders since enough_at.';

CREATE FUNCTION answers_counted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    options jsonb := new.terms #> '{enough,options}';
BEGIN
    IF (SELECT coalesce(sum(a.value::integer), 0) FROM jsonb_each_text(new.answers) AS a(key, value)
         WHERE a.key <> 'other' AND (options IS NULL OR options ? a.key)) >= (new.terms #>> '{enough,count}')::integer THEN
        new.enough_at := now();
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER plan_answers_counted BEFORE UPDATE OF answers ON plan FOR EACH ROW
WHEN (new.terms ? 'enough' AND new.enough_at IS NULL AND new.answers IS DISTINCT FROM old.answers) EXECUTE FUNCTION answers_counted();

-- Ends the next ladders of a plan that has enough, at most so many; how many people were looked at.
CREATE FUNCTION end_not_needed(the_plan bigint, most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    p record;
    upto integer;
    open integer[];
BEGIN
    SELECT x.enough_no, x.n_recipients INTO p FROM plan x WHERE x.id = the_plan AND x.enough_at IS NOT NULL AND x.status IN (3, 4, 5);
    IF p.enough_no IS NULL OR p.enough_no >= p.n_recipients THEN
        RETURN 0;
    END IF;
    upto := least(p.enough_no + most, p.n_recipients);
    SELECT array_agg(r.no) INTO open
      FROM (SELECT r.no FROM recipient r WHERE r.plan_id = the_plan AND r.no > p.enough_no AND r.no <= upto AND r.result IS NULL
             ORDER BY r.no FOR NO KEY UPDATE) AS r;
    IF open IS NOT NULL THEN
        PERFORM end_ladders(the_plan, open, array_fill(7, ARRAY[cardinality(open)]));
    END IF;
    UPDATE plan SET enough_no = upto WHERE id = the_plan;
    RETURN upto - p.enough_no;
END $$;

-- As before, in steps: what is open and what failed is judged by the step alone; that a message arrived counts from every round of its tier.
-- Where there is enough, whoever would have gone on is not needed.
CREATE OR REPLACE FUNCTION step_ladders(the_plan bigint, the_tier integer, nos integer[], due boolean, late boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p record;
    d record;
    g record;
BEGIN
    SELECT x.slots, x.steps, x.untils, cardinality(x.untils) AS last, x.status, x.expires_at > now() AS lives, x.enough_at IS NOT NULL AS enough,
           x.tenant_id, CASE WHEN x.tiers @? '$[*].only.hours' THEN x.tiers END AS clocked
      INTO p FROM plan x WHERE x.id = the_plan;
    IF p.untils IS NULL OR the_tier > p.last OR p.status NOT IN (3, 4, 5) OR NOT p.lives THEN
        RETURN;
    END IF;
    SELECT array_agg(v.no ORDER BY v.no) FILTER (WHERE v.verdict = 0) AS on_their_way,
           array_agg(v.onto ORDER BY v.no) FILTER (WHERE v.verdict = 0) AS targets,
           array_agg(v.no) FILTER (WHERE v.verdict > 0) AS ended, array_agg(v.verdict) FILTER (WHERE v.verdict > 0) AS results
      INTO d
      FROM (SELECT v.no, v.onto, CASE WHEN p.enough AND v.verdict IN (0, 5, 6) THEN 7 ELSE v.verdict END AS verdict FROM (
            SELECT r.no, n.onto,
                   ladder_verdict(p.untils[the_tier], n.onto IS NULL, r.proved, o.best, o.counts_as, o.made, o.standing,
                                  r.reached, step_ladders.due, o.late OR (step_ladders.late AND the_tier < p.last)) AS verdict
              FROM unnest(nos) AS w(no)
             CROSS JOIN LATERAL (SELECT r.no, CASE WHEN r.answered_at IS NOT NULL THEN 4 WHEN r.read_at IS NOT NULL THEN 3 ELSE 0 END AS proved,
                                        r.best NOT IN (0, 7) AS reached,
                                        CASE WHEN p.steps IS NOT NULL THEN r.addresses END AS addresses, CASE WHEN p.steps IS NOT NULL THEN r.skips END AS skips,
                                        CASE WHEN p.clocked IS NOT NULL THEN closed_tiers(p.tenant_id, p.clocked, r.time_zone) END AS closed
                                   FROM recipient r
                                  WHERE r.plan_id = the_plan AND r.no = w.no AND r.tier = the_tier AND r.result IS NULL OFFSET 0) AS r
             CROSS JOIN LATERAL (
                   SELECT coalesce(max(CASE x.status WHEN 4 THEN 2 WHEN 3 THEN 1 ELSE 0 END), 0) AS best,
                          coalesce(max(CASE WHEN x.status = 4 THEN 2 WHEN x.status <> 3 THEN 0 WHEN channel_reports(s.slot & 15) = 0 THEN 2
                                            WHEN channel_reports(s.slot & 15) = 1 AND step_ladders.due THEN 2 ELSE 1 END), 0) AS counts_as,
                          count(*) FILTER (WHERE s.own) > 0 AS made, coalesce(bool_or(s.own AND x.status IN (0, 3, 4, 6)), false) AS standing,
                          coalesce(bool_or(s.own AND x.status = 7 AND x.reason = 'overdue'), false) AS late
                     FROM (SELECT s.slot, s.slot >> 4 = the_tier AS own FROM unnest(p.slots) AS s(slot)
                            WHERE s.slot >> 4 = the_tier OR s.slot >> 4 < the_tier AND p.steps[s.slot >> 4] >> 6 = p.steps[the_tier] >> 6) AS s
                    CROSS JOIN LATERAL (SELECT x.status, x.reason FROM delivery x
                                         WHERE x.plan_id = the_plan AND x.slot = s.slot AND x.no = w.no OFFSET 0) AS x
                    WHERE s.own OR x.status = 4) AS o
             CROSS JOIN LATERAL (SELECT next_step(p.slots, p.steps, p.last, the_tier, o.made AND NOT o.standing, r.addresses, r.skips, r.closed) AS onto OFFSET 0) AS n) AS v) AS v;
    FOR g IN SELECT x.onto, array_agg(x.no ORDER BY x.no) AS nos FROM unnest(d.on_their_way, d.targets) AS x(no, onto) GROUP BY x.onto ORDER BY x.onto
    LOOP
        PERFORM enter_tier(the_plan, the_tier, g.onto, g.nos);
    END LOOP;
    IF d.ended IS NOT NULL THEN
        PERFORM end_ladders(the_plan, d.ended, d.results);
    END IF;
END $$;

-- As before, but not where there is enough.
CREATE OR REPLACE FUNCTION open_next_channels(plans bigint[], slots smallint[], nos integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next_plans bigint[];
    next_slots smallint[];
    next_nos integer[];
BEGIN
    -- What is sent again after its next channel was opened (a dead letter redriven) opens that channel no second time.
    SELECT array_agg(n.plan_id), array_agg(n.slot), array_agg(n.no) INTO next_plans, next_slots, next_nos
      FROM (SELECT e.plan_id, e.no, p.slot
              FROM unnest(plans, slots, nos) AS e(plan_id, slot, no)
             CROSS JOIN LATERAL (SELECT next_in_tier(p.slots, p.first_tiers, e.slot) AS slot, p.untils IS NOT NULL AS ladder FROM plan p
                                  WHERE p.id = e.plan_id AND p.status + 0 IN (4, 5, 6) AND p.expires_at > now() AND p.enough_at IS NULL OFFSET 0) AS p
             WHERE p.slot IS NOT NULL
               AND (NOT p.ladder OR EXISTS (SELECT FROM recipient r WHERE r.plan_id = e.plan_id AND r.no = e.no
                                                AND r.tier = e.slot >> 4 AND r.result IS NULL))) AS n
     WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.plan_id = n.plan_id AND d.slot = n.slot AND d.no = n.no);
    IF next_plans IS NULL THEN
        RETURN;
    END IF;
    UPDATE plan p SET status = CASE p.status WHEN 6 THEN 4 ELSE p.status END, finished_at = NULL
     WHERE p.id = ANY(next_plans) AND p.finished_at IS NOT NULL;
    PERFORM open_deliveries(next_plans, next_slots, next_nos);
END $$;
