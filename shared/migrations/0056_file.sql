-- Files that plans carry. They are uploaded first and named by plans' contents (content.attachments); the bytes are here once, however many
-- plans use them.
--
-- Which plan uses which file is noted where a content is written, by trigger: acceptance, edits, copies, series and everything that erases a
-- content write that one column, and none of them can forget it.

CREATE TABLE file (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid         uuid NOT NULL UNIQUE,
    tenant_id   bigint NOT NULL REFERENCES tenant,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 150),
    media_type  text NOT NULL,
    size        integer NOT NULL CHECK (size > 0),
    sha256      bytea NOT NULL CHECK (length(sha256) = 32),
    bytes       bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    remove_at   timestamptz NOT NULL DEFAULT now() + interval '24 hours'
);
-- Nearly all of them are packed already, and unpacked bytes can be read piece by piece.
ALTER TABLE file ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX file_remove ON file (remove_at);
COMMENT ON TABLE  file IS 'Uploaded files, to be attached to plans; never changed.';
COMMENT ON COLUMN file.id IS 'Internal id.';
COMMENT ON COLUMN file.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN file.tenant_id IS 'Owner.';
COMMENT ON COLUMN file.name IS 'Its name with its ending, as recipients see it.';
COMMENT ON COLUMN file.media_type IS 'What its ending says it is; the bytes were found to agree.';
COMMENT ON COLUMN file.size IS 'Bytes.';
COMMENT ON COLUMN file.sha256 IS 'SHA-256 of the bytes.';
COMMENT ON COLUMN file.bytes IS 'The file itself.';
COMMENT ON COLUMN file.created_at IS 'When it was uploaded.';
COMMENT ON COLUMN file.remove_at IS 'From then on it goes as soon as no plan uses it: a day after it was uploaded or taken out of a plan, at once when what a plan with it said was erased.';

CREATE TABLE plan_file (
    plan_id bigint NOT NULL,
    n       smallint NOT NULL CHECK (n > 0),
    file_id bigint NOT NULL CONSTRAINT plan_file_file REFERENCES file,
    PRIMARY KEY (plan_id, n)
);
CREATE INDEX plan_file_use ON plan_file (file_id);
COMMENT ON TABLE  plan_file IS 'Files that plans use, as their contents say; kept by trigger.';
COMMENT ON COLUMN plan_file.plan_id IS 'The plan.';
COMMENT ON COLUMN plan_file.n IS 'Its place in the plan''s list, from 1; part of the address on recipients'' pages.';
COMMENT ON COLUMN plan_file.file_id IS 'The file.';

-- Notes what a plan's content says. A file that is none of the tenant's, or was removed meanwhile, fails the statement under the name of the
-- foreign key, so that callers know one name. Files that are in another's hands just now keep their time: a plan that is erased must wait for
-- nobody, and they go a day later at most.
CREATE FUNCTION note_plan_files() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint[];
    noted integer;
BEGIN
    IF tg_op = 'UPDATE' THEN
        WITH gone AS (DELETE FROM plan_file WHERE plan_id = new.id RETURNING file_id)
        SELECT array_agg(file_id) INTO before FROM gone;
    END IF;
    INSERT INTO plan_file (plan_id, n, file_id)
    SELECT new.id, w.n, f.id
      FROM jsonb_array_elements_text(coalesce(new.content -> 'attachments', '[]')) WITH ORDINALITY AS w(uid, n)
     CROSS JOIN LATERAL (SELECT x.id FROM file x WHERE x.uid = w.uid::uuid AND x.tenant_id = new.tenant_id FOR KEY SHARE) AS f;
    GET DIAGNOSTICS noted = ROW_COUNT;
    IF noted <> jsonb_array_length(coalesce(new.content -> 'attachments', '[]')) THEN
        RAISE EXCEPTION 'a plan names a file that is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'plan_file_file';
    END IF;
    IF before IS NOT NULL THEN
        UPDATE file
           SET remove_at = CASE WHEN new.erased_at IS NULL AND new.purged_at IS NULL THEN greatest(remove_at, now() + interval '24 hours')
                                ELSE least(remove_at, now()) END
         WHERE id = ANY(ARRAY(SELECT f.id FROM file f WHERE f.id = ANY(before) ORDER BY f.id FOR NO KEY UPDATE SKIP LOCKED));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER plan_files_made AFTER INSERT ON plan FOR EACH ROW
WHEN (new.content ? 'attachments') EXECUTE FUNCTION note_plan_files();
-- Of the content only: what moves plans along does not even ask.
CREATE TRIGGER plan_files_changed AFTER UPDATE OF content ON plan FOR EACH ROW
WHEN (old.content -> 'attachments' IS DISTINCT FROM new.content -> 'attachments') EXECUTE FUNCTION note_plan_files();

-- What carries no files leads to the page that has them. No plan before this had any, so the index plan_to_erase stays true.
CREATE OR REPLACE FUNCTION has_page(content jsonb, tiers jsonb, acknowledgement jsonb, terms jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT acknowledgement IS NOT NULL OR coalesce(terms ? 'protected', false) OR tiers @? '$[*].until ? (@ == "read" || @ == "acknowledged")'
           OR content::text ~ '\{\{-?\s*link\M' OR (content ? 'attachments' AND tiers @? '$[*].channels[*] ? (@ != "email")')
$$;
COMMENT ON FUNCTION has_page IS 'Whether what a plan sends leads to a page: by answers, waiting for reading, protection, the variable link, or files outside of mails.';
