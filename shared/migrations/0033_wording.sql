-- A plan may say something else by one channel than by another: its content holds the other wordings and which slot says which.

CREATE FUNCTION wording(content jsonb, slot integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(content #>> ARRAY['slots', slot::text], content #>> ARRAY['slots', (slot & 15)::text], '0')::integer
$$;
COMMENT ON FUNCTION wording(jsonb, integer) IS
    'Which wording of a plan''s content a slot says: by the slot, else by its channel, else 0, the content itself (domain::Content::wording).';

CREATE FUNCTION worded(content jsonb, slot integer) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE wording(content, slot) WHEN 0 THEN content ELSE content -> 'wordings' -> (wording(content, slot) - 1) END
$$;
COMMENT ON FUNCTION worded(jsonb, integer) IS 'What a slot says.';

CREATE TABLE policy_template (
    policy_id       bigint NOT NULL REFERENCES policy ON DELETE CASCADE,
    template_id     bigint NOT NULL REFERENCES template,
    PRIMARY KEY (policy_id, template_id)
);
CREATE INDEX policy_template_template ON policy_template (template_id);
COMMENT ON TABLE  policy_template IS 'The templates a policy''s tiers name: they cannot be deleted.';
COMMENT ON COLUMN policy_template.policy_id IS 'The policy.';
COMMENT ON COLUMN policy_template.template_id IS 'The template.';
