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
