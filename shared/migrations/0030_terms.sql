-- Rules of a plan beyond the common have one place, so that plans without them pay nothing, and a step of a ladder has room for rounds.

ALTER TABLE plan ADD COLUMN terms jsonb;
COMMENT ON COLUMN plan.terms IS 'domain::Terms: what the plan asks for beyond the common. NULL: nothing.';

-- Public ids pack plan ids of 36 bits and slots of 12 (domain::ids).
ALTER TABLE plan
    DROP CONSTRAINT plan_id_check, ADD CONSTRAINT plan_id_check CHECK (id BETWEEN 1 AND 68719476735),
    DROP CONSTRAINT plan_slots_check, ADD CONSTRAINT plan_slots_check CHECK (cardinality(slots) BETWEEN 1 AND 2000);
COMMENT ON COLUMN plan.id IS 'From plan_id_block, at most 36 bits: it is packed into the public ids.';

-- How late a step of a plan may fire: rule 16.
CREATE FUNCTION max_late(lane integer, terms jsonb) RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((terms ->> 'max_late')::interval, max_late(lane))
$$;
COMMENT ON FUNCTION max_late(integer, jsonb) IS 'By the plan''s terms, else by its lane.';

-- As before; the plan may say how late is too late.
CREATE OR REPLACE FUNCTION fire_ladders(jobs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g record;
BEGIN
    PERFORM FROM (SELECT j.plan_id, j.slot >> 4 AS tier, w.no FROM job j
                   CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                   WHERE j.id = ANY(jobs)) AS x
       JOIN recipient r ON r.plan_id = x.plan_id AND r.no = x.no
      WHERE r.tier = x.tier AND r.result IS NULL
      ORDER BY r.plan_id, r.no FOR NO KEY UPDATE OF r;
    FOR g IN SELECT x.plan_id, x.tier, x.late, array_agg(x.no ORDER BY x.no) AS nos
               FROM (SELECT j.plan_id, j.slot >> 4 AS tier, j.due_at < now() - p.late AS late, w.no FROM job j
                      CROSS JOIN LATERAL (SELECT max_late(x.lane, x.terms) AS late FROM plan x WHERE x.id = j.plan_id OFFSET 0) AS p
                      CROSS JOIN LATERAL unnest(coalesce(j.members, ARRAY(SELECT generate_series(j.lo, j.hi)))) AS w(no)
                      WHERE j.id = ANY(jobs)) AS x
              GROUP BY x.plan_id, x.tier, x.late ORDER BY x.plan_id, x.tier
    LOOP
        PERFORM step_ladders(g.plan_id, g.tier, g.nos, true, g.late);
    END LOOP;
    DELETE FROM job WHERE id = ANY(jobs);
END $$;
