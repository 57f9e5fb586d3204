-- Plans that recur. The plan that was POSTed is the pattern: scheduled, it sends nothing itself; send_at is its next occurrence and its
-- expand job is the alarm. When that is due, a dispatcher makes the occurrence, a plan of its own, sets the alarm to the next time and
-- commits both at once: pausing, resuming, stopping and taking over after a crash are those of any scheduled plan.

ALTER TABLE plan ADD COLUMN series_id bigint;
COMMENT ON COLUMN plan.series_id IS 'Of an occurrence: the pattern, a plan with terms.recurrence. NULL: a plan that goes out once, or a pattern.';
-- An occurrence is made once, whatever happens to the pattern's job.
CREATE UNIQUE INDEX plan_occurrence ON plan (series_id, send_at) WHERE series_id IS NOT NULL;
CREATE INDEX plan_series ON plan (series_id, id) WHERE series_id IS NOT NULL;

CREATE TABLE series (
    plan_id     bigint PRIMARY KEY,
    n_started   integer NOT NULL DEFAULT 0 CHECK (n_started >= 0),
    n_skipped   integer NOT NULL DEFAULT 0 CHECK (n_skipped >= 0)
);
COMMENT ON TABLE  series IS 'How far a pattern has come; made with its first occurrence.';
COMMENT ON COLUMN series.plan_id IS 'The pattern.';
COMMENT ON COLUMN series.n_started IS 'Occurrences that were made.';
COMMENT ON COLUMN series.n_skipped IS 'Occurrences left out: too late when a dispatcher came to them, or in a pause.';

-- Makes an occurrence of a pattern, with its expand job; false when it is there already. The caller holds the pattern.
-- Everything is taken over but what belongs to one plan alone. Columns are listed by the catalogue, so that none is forgotten that
-- a later migration adds.
CREATE FUNCTION start_occurrence(pattern bigint, at timestamptz, expires_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    names text;
    given text;
    new_id bigint := nextval('plan_id_block');
    made integer;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
           string_agg(CASE a.attname
                      WHEN 'id' THEN '$2' WHEN 'created_at' THEN 'date_trunc(''milliseconds'', now())'
                      WHEN 'status' THEN '3' WHEN 'send_at' THEN '$3' WHEN 'expires_at' THEN '$4' WHEN 'series_id' THEN '$1'
                      WHEN 'reference' THEN 'NULL' WHEN 'resumed_at' THEN 'NULL' WHEN 'epoch' THEN '0' WHEN 'parked' THEN 'false'
                      WHEN 'terms' THEN 'nullif(p.terms - ''recurrence'', ''{}'')'
                      WHEN 'n_waiting' THEN 'CASE WHEN p.untils IS NULL THEN 0 ELSE p.n_recipients END'
                      ELSE 'p.' || quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
      INTO names, given
      FROM pg_attribute a
     WHERE a.attrelid = 'plan'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('INSERT INTO plan (%s) SELECT %s FROM plan p WHERE p.id = $1
                    ON CONFLICT (series_id, send_at) WHERE series_id IS NOT NULL DO NOTHING', names, given)
      USING pattern, new_id, at, expires_at;
    GET DIAGNOSTICS made = ROW_COUNT;
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
    SELECT nextval('job_id'), 0, p.id, p.tenant_id, 16, p.lane, p.n_recipients, 1, p.n_recipients, now() FROM plan p WHERE p.id = new_id;
    RETURN made = 1;
END $$;
COMMENT ON FUNCTION start_occurrence IS 'Makes an occurrence of a pattern with its expand job, once.';

-- The people of a chunk of an occurrence, as the pattern has them. Nothing has happened to them there.
CREATE FUNCTION copy_people(pattern bigint, occurrence bigint, first integer, last integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    names text;
    given text;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
           string_agg(CASE a.attname WHEN 'plan_id' THEN '$2' ELSE 'r.' || quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
      INTO names, given
      FROM pg_attribute a
     WHERE a.attrelid = 'recipient'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('INSERT INTO recipient (%s) SELECT %s FROM recipient r WHERE r.plan_id = $1 AND r.no BETWEEN $3 AND $4
                    ON CONFLICT (plan_id, no) DO NOTHING', names, given)
      USING pattern, occurrence, first, last;
END $$;
COMMENT ON FUNCTION copy_people IS 'Copies recipients first..last of a pattern into an occurrence.';
