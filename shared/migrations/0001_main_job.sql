-- The main job: tenants, accounts, plans, recipients, deliveries, and the jobs that move them.
-- Forward-only: a shipped file is never edited. The lifecycle is enforced here, not only in code.
-- Codes (smallint) are the discriminants of the enums in shared/src/domain; a test compares them.

CREATE TABLE setting (
    name        text PRIMARY KEY,
    value       bytea NOT NULL
);
COMMENT ON TABLE  setting IS 'Installation-wide secrets, each sealed under the master key.';
COMMENT ON COLUMN setting.name IS 'What it is: key_pepper (keyed hash of API keys), link_key (signed links).';
COMMENT ON COLUMN setting.value IS 'Sealed value (key id, nonce, ciphertext); written once by migrate, re-sealed by rekey.';

CREATE TABLE tenant (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid         uuid NOT NULL UNIQUE,
    name        text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  tenant IS 'An organisation; owns everything below; nothing crosses between tenants.';
COMMENT ON COLUMN tenant.id IS 'Internal id, used as tenant_id everywhere.';
COMMENT ON COLUMN tenant.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN tenant.name IS 'Unique name, given by the operator at tenant create.';
COMMENT ON COLUMN tenant.created_at IS 'When the operator made it.';

CREATE TABLE api_key (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             uuid NOT NULL UNIQUE,
    tenant_id       bigint NOT NULL REFERENCES tenant,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    prefix          text NOT NULL,
    hash            bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes          text[] NOT NULL,
    rate_per_second integer NOT NULL DEFAULT 1000 CHECK (rate_per_second BETWEEN 1 AND 100000),
    created_at      timestamptz NOT NULL DEFAULT now(),
    revoked_at      timestamptz
);
CREATE INDEX api_key_tenant ON api_key (tenant_id, id);
COMMENT ON TABLE  api_key IS 'Credentials of upstream systems. The key itself is shown once and never stored.';
COMMENT ON COLUMN api_key.id IS 'Internal id; scope of idempotency keys.';
COMMENT ON COLUMN api_key.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN api_key.tenant_id IS 'Owner.';
COMMENT ON COLUMN api_key.name IS 'What it is for, in the words of whoever made it.';
COMMENT ON COLUMN api_key.prefix IS 'First characters of the key, for recognising it in a list; not secret.';
COMMENT ON COLUMN api_key.hash IS 'HMAC-SHA-256 of the key under setting key_pepper.';
COMMENT ON COLUMN api_key.scopes IS 'What it may do, e.g. plans:write; checked by the API.';
COMMENT ON COLUMN api_key.rate_per_second IS 'Requests a second one API process lets it make (burst: one second''s worth).';
COMMENT ON COLUMN api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN api_key.revoked_at IS 'When it stopped working; NULL while it works.';

CREATE TABLE account (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             uuid NOT NULL UNIQUE,
    tenant_id       bigint NOT NULL REFERENCES tenant,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    channel         smallint NOT NULL CHECK (channel BETWEEN 1 AND 10),
    provider        text NOT NULL,
    settings        jsonb NOT NULL DEFAULT '{}',
    secret          bytea,
    limits          jsonb NOT NULL DEFAULT '{}',
    failover_order  integer NOT NULL DEFAULT 1 CHECK (failover_order BETWEEN 1 AND 1000),
    enabled         boolean NOT NULL DEFAULT true,
    price           text NOT NULL DEFAULT '0.00',
    state           smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    reason          text,
    since           timestamptz NOT NULL DEFAULT now(),
    version         integer NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    CHECK ((state = 0) = (reason IS NULL))
);
CREATE UNIQUE INDEX account_name ON account (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX account_choice ON account (tenant_id, channel, failover_order, id) WHERE enabled AND deleted_at IS NULL;
COMMENT ON TABLE  account IS 'One set of credentials at a provider, with its limits, price and failover order.';
COMMENT ON COLUMN account.id IS 'Internal id; carried by jobs, attempts and pointers.';
COMMENT ON COLUMN account.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN account.tenant_id IS 'Owner.';
COMMENT ON COLUMN account.name IS 'Unique among the tenant''s living accounts.';
COMMENT ON COLUMN account.channel IS 'The medium (domain::Channel).';
COMMENT ON COLUMN account.provider IS 'The protocol driver: smtp, webhook, inbox.';
COMMENT ON COLUMN account.settings IS 'What the driver needs that is not secret; checked by the API against the driver''s own type.';
COMMENT ON COLUMN account.secret IS 'Sealed JSON of the credentials, bound to this row''s uid; NULL when there are none.';
COMMENT ON COLUMN account.limits IS 'per_second, per_day (calls), concurrency (calls at once per worker).';
COMMENT ON COLUMN account.failover_order IS 'Lower is used first; equal orders share.';
COMMENT ON COLUMN account.enabled IS 'Whether new work may use it; set by its owner.';
COMMENT ON COLUMN account.price IS 'Price of one message, a decimal in the tenant''s currency.';
COMMENT ON COLUMN account.state IS '0 ok, 1 paused, 2 down; written by workers (account-class errors) and verify.';
COMMENT ON COLUMN account.reason IS 'Why it is not ok, in the provider''s words; NULL exactly when ok.';
COMMENT ON COLUMN account.since IS 'When state last changed.';
COMMENT ON COLUMN account.version IS 'Counts changes of settings and secret; a worker reloads when it differs.';
COMMENT ON COLUMN account.created_at IS 'When it was made.';
COMMENT ON COLUMN account.updated_at IS 'When its owner last changed it.';
COMMENT ON COLUMN account.deleted_at IS 'When it was deleted; the row stays so that old attempts keep their name.';

-- Plan ids come in blocks: an API process reserves 100 at a time and gives them out itself.
CREATE SEQUENCE plan_id_block AS bigint INCREMENT 100 START 1;
CREATE SEQUENCE job_id AS bigint CACHE 100;

CREATE TABLE plan (
    id              bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 1099511627775),
    created_at      timestamptz NOT NULL,
    tenant_id       bigint NOT NULL,
    status          smallint NOT NULL CHECK (status BETWEEN 0 AND 9),
    lane            smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    on_unknown      smallint NOT NULL CHECK (on_unknown BETWEEN 0 AND 2),
    slots           smallint[] NOT NULL CHECK (cardinality(slots) BETWEEN 1 AND 100),
    expanded        boolean NOT NULL DEFAULT false,
    epoch           integer NOT NULL DEFAULT 0,
    send_at         timestamptz,
    expires_at      timestamptz NOT NULL,
    started_at      timestamptz,
    finished_at     timestamptz,
    n_recipients    integer NOT NULL CHECK (n_recipients >= 0),
    n_duplicates    integer NOT NULL DEFAULT 0,
    n_open          integer NOT NULL DEFAULT 0 CHECK (n_open >= 0),
    n_deliveries    integer NOT NULL DEFAULT 0,
    n_sent          integer NOT NULL DEFAULT 0 CHECK (n_sent >= 0),
    n_delivered     integer NOT NULL DEFAULT 0 CHECK (n_delivered >= 0),
    n_failed        integer NOT NULL DEFAULT 0 CHECK (n_failed >= 0),
    n_unknown       integer NOT NULL DEFAULT 0 CHECK (n_unknown >= 0),
    n_suppressed    integer NOT NULL DEFAULT 0 CHECK (n_suppressed >= 0),
    n_cancelled     integer NOT NULL DEFAULT 0 CHECK (n_cancelled >= 0),
    n_expired       integer NOT NULL DEFAULT 0 CHECK (n_expired >= 0),
    title           text NOT NULL,
    reference       text CHECK (length(reference) BETWEEN 1 AND 128),
    content         jsonb NOT NULL,
    tiers           jsonb NOT NULL,
    acknowledgement jsonb,
    metadata        jsonb,
    traceparent     text,
    CHECK (n_deliveries = n_open + n_sent + n_delivered + n_failed + n_unknown + n_suppressed + n_cancelled + n_expired),
    CHECK ((status = 6) <= (finished_at IS NOT NULL)),
    CHECK (status <> 6 OR (n_open = 0 AND expanded))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX plan_reference ON plan (tenant_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX plan_list ON plan (tenant_id, id);
CREATE INDEX plan_expiry ON plan (expires_at) WHERE status IN (3, 4, 5);
CREATE INDEX plan_to_sweep ON plan (id) WHERE status IN (7, 8, 9) AND finished_at IS NULL;
COMMENT ON TABLE  plan IS 'One message to an audience. Its public id packs created_at and id (domain::ids).';
COMMENT ON COLUMN plan.id IS 'From plan_id_block, at most 40 bits: it is packed into the public ids.';
COMMENT ON COLUMN plan.created_at IS 'Whole milliseconds; part of the public ids, so never changed.';
COMMENT ON COLUMN plan.tenant_id IS 'Owner. No foreign key: hot table (15-20 % of throughput), tenants are never deleted.';
COMMENT ON COLUMN plan.status IS '0 draft 1 awaiting_approval 2 rejected 3 scheduled 4 running 5 paused 6 finished 7 recalled 8 stopped 9 expired (domain::PlanStatus).';
COMMENT ON COLUMN plan.lane IS '0 urgent, 1 normal, 2 bulk: the priority it was accepted with.';
COMMENT ON COLUMN plan.on_unknown IS 'What to do when an outcome is unknown: 0 resend, 1 hold, 2 ask.';
COMMENT ON COLUMN plan.slots IS 'The slots (tier * 16 + channel) of its tiers, in order.';
COMMENT ON COLUMN plan.expanded IS 'Every delivery of tier 1 exists; set by the last chunk of expand.';
COMMENT ON COLUMN plan.epoch IS 'Counts recalls, pauses and edits; what was decided under an older epoch is void.';
COMMENT ON COLUMN plan.send_at IS 'When it is to start; NULL: at once.';
COMMENT ON COLUMN plan.expires_at IS 'After this nothing is sent; what is open becomes expired.';
COMMENT ON COLUMN plan.started_at IS 'When its first deliveries were made.';
COMMENT ON COLUMN plan.finished_at IS 'When nothing was open any more.';
COMMENT ON COLUMN plan.n_recipients IS 'People in it, after merging duplicates.';
COMMENT ON COLUMN plan.n_duplicates IS 'Recipients merged into another at acceptance.';
COMMENT ON COLUMN plan.n_open IS 'Deliveries not final; 0 and expanded means finished.';
COMMENT ON COLUMN plan.n_deliveries IS 'Deliveries that exist; the other n_ counters add up to it.';
COMMENT ON COLUMN plan.n_sent IS 'Deliveries in status sent.';
COMMENT ON COLUMN plan.n_delivered IS 'Deliveries in status delivered.';
COMMENT ON COLUMN plan.n_failed IS 'Deliveries in status failed.';
COMMENT ON COLUMN plan.n_unknown IS 'Deliveries in status unknown.';
COMMENT ON COLUMN plan.n_suppressed IS 'Deliveries in status suppressed.';
COMMENT ON COLUMN plan.n_cancelled IS 'Deliveries in status cancelled.';
COMMENT ON COLUMN plan.n_expired IS 'Deliveries in status expired.';
COMMENT ON COLUMN plan.title IS 'At most 200 characters; default subject.';
COMMENT ON COLUMN plan.reference IS 'The caller''s own name for it, unique per tenant for good.';
COMMENT ON COLUMN plan.content IS 'domain::Content: subject, text, html, link.';
COMMENT ON COLUMN plan.tiers IS 'domain::Tier[] as accepted.';
COMMENT ON COLUMN plan.acknowledgement IS 'Options a recipient may answer with.';
COMMENT ON COLUMN plan.metadata IS 'The caller''s own strings, returned as they came.';
COMMENT ON COLUMN plan.traceparent IS 'W3C trace context of the accepting request; reaches the worker''s log lines.';

CREATE TABLE idempotency (
    api_key_id  bigint NOT NULL,
    route       text NOT NULL,
    key         text NOT NULL,
    hash        bytea NOT NULL,
    status      smallint NOT NULL,
    location    text,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (api_key_id, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
COMMENT ON TABLE  idempotency IS 'First 2xx answers by Idempotency-Key, kept 24 h; committed together with what they answer for.';
COMMENT ON COLUMN idempotency.api_key_id IS 'Who asked: the scope of a key is API key and route.';
COMMENT ON COLUMN idempotency.route IS 'Method and route template.';
COMMENT ON COLUMN idempotency.key IS 'The header, 1..255 printable characters.';
COMMENT ON COLUMN idempotency.hash IS 'SHA-256 of the parsed body in canonical form.';
COMMENT ON COLUMN idempotency.status IS 'HTTP status of the first answer.';
COMMENT ON COLUMN idempotency.location IS 'Its Location header.';
COMMENT ON COLUMN idempotency.body IS 'Its body.';
COMMENT ON COLUMN idempotency.created_at IS 'When; after 24 h the dispatcher deletes it.';

CREATE TABLE recipient (
    plan_id         bigint NOT NULL,
    no              integer NOT NULL CHECK (no BETWEEN 1 AND 67108863),
    key             text,
    name            text,
    addresses       jsonb NOT NULL,
    skips           jsonb,
    variables       jsonb,
    locale          text,
    time_zone       text,
    tier            smallint NOT NULL DEFAULT 1,
    open            smallint NOT NULL DEFAULT 0 CHECK (open >= 0),
    best            smallint NOT NULL DEFAULT 0 CHECK (best IN (0, 3, 4, 5, 6, 7, 8, 9)),
    read_at         timestamptz,
    read_channel    smallint,
    answered_at     timestamptz,
    answer          text,
    answer_text     text,
    PRIMARY KEY (plan_id, no)
) WITH (fillfactor = 90);
COMMENT ON TABLE  recipient IS 'One person in one plan. Its public id packs the plan''s with no (domain::ids).';
COMMENT ON COLUMN recipient.plan_id IS 'The plan. No foreign key: hot table.';
COMMENT ON COLUMN recipient.no IS 'Position, 1..n_recipients; at most 26 bits.';
COMMENT ON COLUMN recipient.key IS 'The caller''s name for the person.';
COMMENT ON COLUMN recipient.name IS 'Display name.';
COMMENT ON COLUMN recipient.addresses IS 'Address kind to address: email, phone, url, inbox, wecom, ...';
COMMENT ON COLUMN recipient.skips IS 'Address kind to reason, where acceptance found that a delivery must be suppressed (duplicate).';
COMMENT ON COLUMN recipient.variables IS 'Template variables of this person.';
COMMENT ON COLUMN recipient.locale IS 'BCP 47 tag.';
COMMENT ON COLUMN recipient.time_zone IS 'IANA zone name.';
COMMENT ON COLUMN recipient.tier IS 'Where they are on the ladder.';
COMMENT ON COLUMN recipient.open IS 'Deliveries not final. Kept only in plans with several slots; with one slot the delivery says it all.';
COMMENT ON COLUMN recipient.best IS 'Best final delivery status so far (delivered, sent, unknown, then the rest). Kept only in plans with several slots.';
COMMENT ON COLUMN recipient.read_at IS 'First proof of reading.';
COMMENT ON COLUMN recipient.read_channel IS 'Channel of that proof.';
COMMENT ON COLUMN recipient.answered_at IS 'When they answered.';
COMMENT ON COLUMN recipient.answer IS 'The option they chose.';
COMMENT ON COLUMN recipient.answer_text IS 'Free text of "Other".';

CREATE TABLE delivery (
    plan_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    no          integer NOT NULL,
    status      smallint NOT NULL DEFAULT 0 CHECK (status IN (0, 3, 4, 5, 6, 7, 8, 9)),
    attempt     smallint NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    reason      text,
    account_id  bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,
    PRIMARY KEY (plan_id, slot, no),
    CHECK (status NOT IN (5, 7, 8, 9) OR reason IS NOT NULL)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE  delivery IS 'One recipient on one channel in one tier. queued and sending are read off job and attempt. fillfactor 50 keeps whole-page updates HOT (measured 91 %; 60 gives 60 %). No other index, for the same reason.';
COMMENT ON COLUMN delivery.plan_id IS 'The plan.';
COMMENT ON COLUMN delivery.slot IS 'tier * 16 + channel.';
COMMENT ON COLUMN delivery.no IS 'The recipient.';
COMMENT ON COLUMN delivery.status IS '0 pending 3 sent 4 delivered 5 failed 6 unknown 7 suppressed 8 cancelled 9 expired (domain::DeliveryStatus).';
COMMENT ON COLUMN delivery.attempt IS 'The attempt it is at, from 1. (attempt, stage) only moves forward.';
COMMENT ON COLUMN delivery.reason IS 'Why it ended as it did; from the closed list of the API.';
COMMENT ON COLUMN delivery.account_id IS 'Account of the last attempt.';
COMMENT ON COLUMN delivery.created_at IS 'When expand made it.';
COMMENT ON COLUMN delivery.updated_at IS 'When status or attempt last changed.';
COMMENT ON COLUMN delivery.sent_at IS 'When the provider accepted it.';

-- The declared graph. mask[old] has bit n set where old -> n is legal; going (back) to pending needs a new attempt.
CREATE FUNCTION refuse_delivery_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'delivery (%, %, %) may not move from status % attempt % to status % attempt %',
        old.plan_id, old.slot, old.no, old.status, old.attempt, new.status, new.attempt
        USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_graph';
END $$;
CREATE TRIGGER delivery_graph BEFORE UPDATE OF status, attempt ON delivery FOR EACH ROW
WHEN (
    ((ARRAY[1017, 0, 0, 56, 16, 49, 121, 128, 256, 512])[old.status + 1] >> new.status) & 1 = 0
    OR new.attempt < old.attempt
    OR (new.status = 0 AND new.attempt = old.attempt)
)
EXECUTE FUNCTION refuse_delivery_move();

-- Counters follow the deliveries by themselves, whoever writes them, in the writer's transaction: they cannot drift.
-- Statement triggers: one update per plan and statement. Rows are locked in key order, recipients before plans, so two
-- writers cannot deadlock. Nothing joins the transition tables: the hot connections plan without hash joins. In PL/pgSQL
-- because it keeps plans between calls; a function in SQL is planned each time.
CREATE FUNCTION tally_plans(plans bigint[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH change AS (
        SELECT c.plan_id, sum(c.n) AS total,
               coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               coalesce(sum(c.n) FILTER (WHERE c.status = 3), 0) AS sent,
               coalesce(sum(c.n) FILTER (WHERE c.status = 4), 0) AS delivered,
               coalesce(sum(c.n) FILTER (WHERE c.status = 5), 0) AS failed,
               coalesce(sum(c.n) FILTER (WHERE c.status = 6), 0) AS unknown,
               coalesce(sum(c.n) FILTER (WHERE c.status = 7), 0) AS suppressed,
               coalesce(sum(c.n) FILTER (WHERE c.status = 8), 0) AS cancelled,
               coalesce(sum(c.n) FILTER (WHERE c.status = 9), 0) AS expired
          FROM unnest(plans, statuses, deltas) AS c(plan_id, status, n)
         GROUP BY c.plan_id
    ), locked AS (
        SELECT p.id, c.* FROM change c JOIN plan p ON p.id = c.plan_id ORDER BY p.id FOR NO KEY UPDATE OF p
    )
    UPDATE plan p
       SET n_deliveries = p.n_deliveries + l.total, n_open = p.n_open + l.open, n_sent = p.n_sent + l.sent,
           n_delivered = p.n_delivered + l.delivered, n_failed = p.n_failed + l.failed,
           n_unknown = p.n_unknown + l.unknown, n_suppressed = p.n_suppressed + l.suppressed,
           n_cancelled = p.n_cancelled + l.cancelled, n_expired = p.n_expired + l.expired,
           status = CASE WHEN p.status = 4 AND p.expanded AND p.n_open + l.open = 0 THEN 6 ELSE p.status END,
           finished_at = CASE WHEN p.expanded AND p.n_open + l.open = 0 THEN coalesce(p.finished_at, now()) ELSE p.finished_at END
      FROM locked l
     WHERE p.id = l.id;
END $$;

-- Recipients of plans with several slots: how many of their deliveries are open, and the best final one.
CREATE FUNCTION tally_recipients(plans bigint[], nos integer[], statuses smallint[], deltas integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH change AS (
        SELECT c.plan_id, c.no, coalesce(sum(c.n) FILTER (WHERE c.status = 0), 0) AS open,
               array_agg(c.status) FILTER (WHERE c.n > 0 AND c.status <> 0) AS finals
          FROM unnest(plans, nos, statuses, deltas) AS c(plan_id, no, status, n)
         GROUP BY c.plan_id, c.no
    ), locked AS (
        SELECT c.* FROM change c JOIN recipient r ON r.plan_id = c.plan_id AND r.no = c.no
         ORDER BY c.plan_id, c.no FOR NO KEY UPDATE OF r
    )
    UPDATE recipient r
       SET open = r.open + l.open,
           best = (SELECT coalesce((array_agg(s ORDER BY (ARRAY[0, 0, 0, 7, 8, 5, 6, 2, 3, 4])[s + 1] DESC))[1], 0)
                     FROM unnest(l.finals || r.best) AS s)
      FROM locked l
     WHERE r.plan_id = l.plan_id AND r.no = l.no;
END $$;

CREATE FUNCTION tally_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- As an array: joined to plan, the transition table could end up on the inside of a nested loop over all plans.
    touched bigint[] := ARRAY(SELECT DISTINCT plan_id FROM new_rows);
BEGIN
    IF EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND cardinality(p.slots) > 1) THEN
        PERFORM tally_recipients(array_agg(n.plan_id), array_agg(n.no), array_agg(n.status), array_agg(1))
           FROM new_rows n WHERE (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = n.plan_id) HAVING count(*) > 0;
    END IF;
    PERFORM tally_plans(array_agg(c.plan_id), array_agg(c.status), array_agg(c.n))
       FROM (SELECT plan_id, status, count(*)::integer AS n FROM new_rows GROUP BY plan_id, status) AS c HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_tally_insert AFTER INSERT ON delivery REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tally_inserted();

CREATE FUNCTION tally_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- As an array: joined to plan, the transition table could end up on the inside of a nested loop over all plans.
    touched bigint[] := ARRAY(SELECT DISTINCT plan_id FROM new_rows);
BEGIN
    IF EXISTS (SELECT FROM plan p WHERE p.id = ANY(touched) AND cardinality(p.slots) > 1) THEN
        PERFORM tally_recipients(array_agg(c.plan_id), array_agg(c.no), array_agg(c.status), array_agg(c.n))
           FROM (SELECT plan_id, no, status, 1 AS n FROM new_rows
                 UNION ALL SELECT plan_id, no, status, -1 FROM old_rows) AS c
          WHERE (SELECT cardinality(p.slots) > 1 FROM plan p WHERE p.id = c.plan_id) HAVING count(*) > 0;
    END IF;
    PERFORM tally_plans(array_agg(c.plan_id), array_agg(c.status), array_agg(c.n))
       FROM (SELECT plan_id, status, sum(n)::integer AS n
               FROM (SELECT plan_id, status, 1 AS n FROM new_rows
                     UNION ALL SELECT plan_id, status, -1 FROM old_rows) AS both_rows
              GROUP BY plan_id, status HAVING sum(n) <> 0) AS c
     HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_tally_update AFTER UPDATE ON delivery REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tally_updated();

CREATE FUNCTION refuse_plan_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'plan % may not move from status % to %', old.id, old.status, new.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_graph';
END $$;
CREATE TRIGGER plan_graph BEFORE UPDATE OF status ON plan FOR EACH ROW
WHEN (
    old.status <> new.status
    AND ((ARRAY[26, 156, 1, 944, 992, 912, 144, 0, 0, 0])[old.status + 1] >> new.status) & 1 = 0
)
EXECUTE FUNCTION refuse_plan_move();

CREATE TABLE job (
    id              bigint PRIMARY KEY,
    kind            smallint NOT NULL CHECK (kind BETWEEN 0 AND 3),
    plan_id         bigint NOT NULL,
    tenant_id       bigint NOT NULL,
    slot            smallint NOT NULL,
    lane            smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
    account_id      bigint,
    attempt         smallint NOT NULL DEFAULT 1,
    units           integer NOT NULL CHECK (units >= 0),
    lo              integer NOT NULL,
    hi              integer NOT NULL,
    members         integer[],
    state           smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    due_at          timestamptz NOT NULL,
    token           integer NOT NULL DEFAULT 0,
    incarnation_id  bigint,
    publishes       smallint NOT NULL DEFAULT 0,
    claims          smallint NOT NULL DEFAULT 0,
    CHECK ((state = 2) = (incarnation_id IS NOT NULL)),
    CHECK (lo <= hi OR kind = 0)
) WITH (fillfactor = 60, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- By channel too: a channel whose window is full must not hide the others' jobs behind its own.
CREATE INDEX job_due ON job (kind, lane, (slot & 15::smallint), due_at);
CREATE INDEX job_plan ON job (plan_id);
CREATE INDEX job_claimed ON job (incarnation_id) WHERE state = 2;
COMMENT ON TABLE  job IS 'What is to happen and when: the unit that is queued, leased and retried. Rows are deleted when settled.';
COMMENT ON COLUMN job.id IS 'From sequence job_id; the pointer in the broker.';
COMMENT ON COLUMN job.kind IS '0 expand, 1 deliver, 2 escalate, 3 ask.';
COMMENT ON COLUMN job.plan_id IS 'The plan.';
COMMENT ON COLUMN job.tenant_id IS 'Its tenant, for fairness and for choosing an account.';
COMMENT ON COLUMN job.slot IS 'tier * 16 + channel; for expand the tier * 16.';
COMMENT ON COLUMN job.lane IS 'Queue and reserved capacity it uses.';
COMMENT ON COLUMN job.account_id IS 'Account chosen for it; NULL: chosen again at admission.';
COMMENT ON COLUMN job.attempt IS 'The attempt its deliveries are at: a delivery belongs to the one job with its attempt number.';
COMMENT ON COLUMN job.units IS 'Deliveries in it when it was made.';
COMMENT ON COLUMN job.lo IS 'First recipient no; for expand the cursor.';
COMMENT ON COLUMN job.hi IS 'Last recipient no.';
COMMENT ON COLUMN job.members IS 'Which of lo..hi; NULL: all that are pending at its attempt.';
COMMENT ON COLUMN job.state IS '0 waiting, 1 published, 2 claimed.';
COMMENT ON COLUMN job.due_at IS 'When it may be taken: waiting, its time; published, when the pointer counts as lost; claimed, the backstop.';
COMMENT ON COLUMN job.token IS 'Fencing token: counts claims and reclaims; a stale owner''s writes name an old one.';
COMMENT ON COLUMN job.incarnation_id IS 'The run of the worker that holds it; set exactly while claimed.';
COMMENT ON COLUMN job.publishes IS 'Pointers published since it last waited; doubles the visibility time.';
COMMENT ON COLUMN job.claims IS 'Claims without an outcome; more than 5 parks its deliveries.';

CREATE TABLE attempt (
    plan_id         bigint NOT NULL,
    slot            smallint NOT NULL,
    lo              integer NOT NULL,
    number          smallint NOT NULL CHECK (number >= 1),
    hi              integer NOT NULL,
    members         integer[],
    job_id          bigint NOT NULL,
    incarnation_id  bigint NOT NULL,
    account_id      bigint NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    outcome         smallint CHECK (outcome BETWEEN 0 AND 4),
    code            text,
    detail          text,
    provider_ref    text,
    PRIMARY KEY (plan_id, slot, lo, number),
    CHECK (hi >= lo AND hi - lo < 1000),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
) WITH (fillfactor = 70);
COMMENT ON TABLE  attempt IS 'One call to a provider for one delivery or a batch. Open (ended_at NULL) means: these deliveries are being sent.';
COMMENT ON COLUMN attempt.plan_id IS 'The plan.';
COMMENT ON COLUMN attempt.slot IS 'tier * 16 + channel.';
COMMENT ON COLUMN attempt.lo IS 'First recipient no of the call. A call is at most 1000 wide, so no is covered by lo in no-999..no.';
COMMENT ON COLUMN attempt.number IS 'The attempt number its deliveries are at.';
COMMENT ON COLUMN attempt.hi IS 'Last recipient no.';
COMMENT ON COLUMN attempt.members IS 'Which of lo..hi; NULL: all.';
COMMENT ON COLUMN attempt.job_id IS 'The job it was marked under.';
COMMENT ON COLUMN attempt.incarnation_id IS 'The run of the worker that made the call.';
COMMENT ON COLUMN attempt.account_id IS 'The account used.';
COMMENT ON COLUMN attempt.started_at IS 'When it was marked, just before the call.';
COMMENT ON COLUMN attempt.ended_at IS 'When its outcome was recorded.';
COMMENT ON COLUMN attempt.outcome IS '0 sent, 1 transient failure, 2 permanent failure, 3 unknown, 4 account failure (domain::Outcome).';
COMMENT ON COLUMN attempt.code IS 'The provider''s code, e.g. 550 5.1.1 or HTTP 503.';
COMMENT ON COLUMN attempt.detail IS 'The provider''s words, shortened, addresses removed.';
COMMENT ON COLUMN attempt.provider_ref IS 'The provider''s id of the message.';

CREATE TABLE worker_incarnation (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    beat        bigint NOT NULL DEFAULT 0,
    ended_at    timestamptz
) WITH (fillfactor = 10);
COMMENT ON TABLE  worker_incarnation IS 'One run of one worker process. The lease on all it claimed: dead once its beat stands still for 10 s of a reclaimer''s own clock.';
COMMENT ON COLUMN worker_incarnation.id IS 'Named by jobs and attempts.';
COMMENT ON COLUMN worker_incarnation.started_at IS 'When the process came up.';
COMMENT ON COLUMN worker_incarnation.beat IS 'Counted up every 2 s by its owner.';
COMMENT ON COLUMN worker_incarnation.ended_at IS 'When it stopped or was declared dead; it can claim nothing after that.';

CREATE TABLE inbox_message (
    tenant_id   bigint NOT NULL,
    owner       text NOT NULL,
    plan_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    no          integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    read_at     timestamptz,
    PRIMARY KEY (tenant_id, owner, plan_id, slot, no)
);
COMMENT ON TABLE  inbox_message IS 'The in-app inbox. Content is rendered from plan and recipient when listed.';
COMMENT ON COLUMN inbox_message.tenant_id IS 'Owner tenant.';
COMMENT ON COLUMN inbox_message.owner IS 'Inbox address: the recipient''s ids.inbox, else key.';
COMMENT ON COLUMN inbox_message.plan_id IS 'The plan.';
COMMENT ON COLUMN inbox_message.slot IS 'tier * 16 + channel.';
COMMENT ON COLUMN inbox_message.no IS 'The recipient.';
COMMENT ON COLUMN inbox_message.created_at IS 'When it arrived.';
COMMENT ON COLUMN inbox_message.read_at IS 'When its owner opened it.';

CREATE TABLE parked_message (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue       text NOT NULL,
    reason      text NOT NULL,
    payload     bytea NOT NULL,
    parked_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  parked_message IS 'Broker messages that could not be decoded, kept for the operator (payload cut at 4 kB).';
COMMENT ON COLUMN parked_message.id IS 'Order of arrival.';
COMMENT ON COLUMN parked_message.queue IS 'Where it came from.';
COMMENT ON COLUMN parked_message.reason IS 'What was wrong with it.';
COMMENT ON COLUMN parked_message.payload IS 'The raw bytes.';
COMMENT ON COLUMN parked_message.parked_at IS 'When.';

-- The address kind of a channel: the key in recipient.addresses.
CREATE FUNCTION address_kind(channel integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY['email', 'phone', 'phone', 'wecom', 'dingtalk', 'feishu', 'welink', 'wechat', 'url', 'inbox'])[channel]
$$;
COMMENT ON FUNCTION address_kind IS 'Same table as domain::Channel::address_kind.';
