-- Templates: reusable content, every change a new version. Plans keep what they say themselves: nothing here is read when they are sent.

CREATE TABLE template (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             uuid NOT NULL UNIQUE,
    tenant_id       bigint NOT NULL REFERENCES tenant,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind            smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),
    version         integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX template_name ON template (tenant_id, name);
CREATE INDEX template_list ON template (tenant_id, id);
COMMENT ON TABLE  template IS 'Reusable content of a tenant. Name and kind stay as they were made: plans and policies are written with them.';
COMMENT ON COLUMN template.id IS 'Internal id; the order of lists.';
COMMENT ON COLUMN template.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN template.tenant_id IS 'Owner.';
COMMENT ON COLUMN template.name IS 'Unique within the tenant.';
COMMENT ON COLUMN template.kind IS '0 text, 1 rich, 2 voice (domain::TemplateKind): which channels it may serve.';
COMMENT ON COLUMN template.version IS 'The version new plans take; every lower one exists too.';
COMMENT ON COLUMN template.created_at IS 'When it was made.';
COMMENT ON COLUMN template.updated_at IS 'When its version was made.';

CREATE TABLE template_version (
    template_id     bigint NOT NULL REFERENCES template ON DELETE CASCADE,
    version         integer NOT NULL CHECK (version >= 1),
    title           text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    content         jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (template_id, version)
);
COMMENT ON TABLE  template_version IS 'What a template said at each version; written once.';
COMMENT ON COLUMN template_version.template_id IS 'The template.';
COMMENT ON COLUMN template_version.version IS 'Counted from 1.';
COMMENT ON COLUMN template_version.title IS 'Title of a plan that names none.';
COMMENT ON COLUMN template_version.content IS 'domain::Content; it compiled when it was saved.';
COMMENT ON COLUMN template_version.created_at IS 'When it was saved.';

-- What a plan or a person once saw of a version stays true.
CREATE FUNCTION template_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of a template is never changed: save a new one'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'template_version_stays';
END $$;
CREATE TRIGGER template_version_stays BEFORE UPDATE ON template_version FOR EACH ROW EXECUTE FUNCTION template_version_stays();

-- Which plans that are not over took a template: looked at when one is deleted. Plans without templates are not in it.
CREATE INDEX plan_templates ON plan USING gin ((terms -> 'templates') jsonb_path_ops) WHERE terms ? 'templates' AND status < 6;
