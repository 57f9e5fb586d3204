-- Sensitive plans: what they said and whom they went to is erased when they have ended. Counts and results stay.

-- Whether recipients have a page that they are sent to: it must stay open for a while.
CREATE FUNCTION has_page(content jsonb, tiers jsonb, acknowledgement jsonb, terms jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT acknowledgement IS NOT NULL OR coalesce(terms ? 'protected', false) OR tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")'
           OR content::text ~ '\{\{-?\s*link\M'
$$;
COMMENT ON FUNCTION has_page IS 'Whether what a plan sends leads to a page: by answers, waiting for reading, protection, or the variable link.';

CREATE FUNCTION erase_at(status integer, finished_at timestamptz, expires_at timestamptz, has_page boolean) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN has_page AND status = 6 THEN greatest(finished_at, expires_at) ELSE finished_at END
$$;
COMMENT ON FUNCTION erase_at IS 'When a sensitive plan has ended for its readers too: at once, or, where they have a page, when it expires.';

ALTER TABLE plan
    ADD COLUMN erased_to integer NOT NULL DEFAULT 0,
    ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN plan.erased_to IS 'Recipients up to this one have been erased.';
COMMENT ON COLUMN plan.erased_at IS 'When its content, and variables and addresses of its recipients, were erased; NULL: they are there.';

CREATE INDEX plan_to_erase ON plan (erase_at(status, finished_at, expires_at, has_page(content, tiers, acknowledgement, terms)))
 WHERE terms ? 'sensitive' AND erased_at IS NULL AND finished_at IS NOT NULL;
