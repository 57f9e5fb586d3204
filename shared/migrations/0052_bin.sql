-- The bin: a plan in it is out of lists and its pages are closed; nothing else of it changes until it comes back or is purged.
--
-- A purged plan leaves its row, without words: its counts, and its reference and number, which nobody else can have. What belongs to it
-- goes in chunks (sql/purge), by the dispatcher.

ALTER TABLE plan
    ADD COLUMN binned_at timestamptz,
    ADD COLUMN purge_at  timestamptz,
    ADD COLUMN purged_at timestamptz,
    ADD COLUMN purging   boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN plan.binned_at IS 'When its owner put it into the bin; NULL: it is not there. Stays when it is purged.';
COMMENT ON COLUMN plan.purge_at IS 'When it is purged by itself; set exactly with binned_at.';
COMMENT ON COLUMN plan.purged_at IS 'When it was purged: its words are gone, and it is found by nobody. NULL: it was not.';
COMMENT ON COLUMN plan.purging IS 'It was purged, and people, deliveries or attempts of it are still there; cleared by the dispatcher with the last chunk.';

-- Whatever would send is refused while it is in the bin, whoever tries: no plan there can become one that runs.
ALTER TABLE plan
    ADD CONSTRAINT plan_binned CHECK (binned_at IS NULL OR status IN (0, 2, 6, 7, 8, 9)),
    ADD CONSTRAINT plan_purged CHECK ((binned_at IS NULL) = (purge_at IS NULL) AND (purged_at IS NULL OR binned_at IS NOT NULL) AND (NOT purging OR purged_at IS NOT NULL));

-- None of these columns changes for a plan that is never binned, so its updates stay HOT and it is in none of these indexes.
CREATE INDEX plan_bin ON plan (tenant_id, id) WHERE binned_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX plan_to_purge ON plan (purge_at) WHERE purge_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX plan_purging ON plan ((id + 0)) WHERE purging;
