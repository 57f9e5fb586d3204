-- Retention: a plan may say for how long what it said, and to whom, is kept after its end (terms.keep). Then words, names, addresses and
-- variables go; the plan, its counts and what became of everybody stay.

-- Seconds are added, so no zone and no calendar has a say: it is immutable, though interval arithmetic as such is not declared so.
CREATE FUNCTION keep_until(finished_at timestamptz, terms jsonb) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN finished_at + extract(epoch FROM (terms ->> 'keep')::interval) * interval '1 second';
END $$;
COMMENT ON FUNCTION keep_until IS 'When a plan that ended then is to be erased by its terms; NULL: never.';

-- Of plain plans (no terms) the function is not even called.
ALTER TABLE plan
    ADD COLUMN keep_until timestamptz GENERATED ALWAYS AS (CASE WHEN terms IS NOT NULL THEN keep_until(finished_at, terms) END) STORED;
COMMENT ON COLUMN plan.keep_until IS 'When its words and everybody''s names, addresses and variables go; NULL: never, or it has not ended.';

-- There is nothing left to be sent.
ALTER TABLE plan ADD CONSTRAINT plan_erased CHECK (erased_at IS NULL OR status IN (2, 6, 7, 8, 9));
CREATE INDEX plan_kept ON plan (keep_until) WHERE keep_until IS NOT NULL AND erased_at IS NULL;
