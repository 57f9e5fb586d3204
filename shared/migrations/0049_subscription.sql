-- Subscriptions: a tenant's own systems are told of what happens, by signed webhooks (docs/EVENTS.md).
--
-- What happened is written where it happened, in the transaction of whoever moved a delivery, a recipient or a plan: a crash loses
-- none, and no writer can forget it. Each event that a subscription wants is one row for all of them, and one call for each. An
-- installation without subscriptions pays for a look at an empty table per statement that moves deliveries.
--
-- Events of a plan are numbered while the plan's row is locked (the counts lock it just before), so in the order of their commits:
-- who sees an event of a plan has seen all before it. Those of the plan itself are written at commit, after those of its deliveries.

CREATE TABLE subscription (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             uuid NOT NULL UNIQUE,
    tenant_id       bigint NOT NULL REFERENCES tenant,
    url             text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    kinds           smallint[] NOT NULL CHECK (cardinality(kinds) BETWEEN 1 AND 50),
    secret          bytea NOT NULL,
    enabled         boolean NOT NULL DEFAULT true,
    state           smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    reason          text,
    failing_since   timestamptz,
    failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    next_at         timestamptz NOT NULL DEFAULT now(),
    taken_at        timestamptz,
    lease           bigint NOT NULL DEFAULT 0,
    leased_until    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 0) = (reason IS NULL)),
    CHECK ((state = 0) = (failing_since IS NULL))
);
CREATE INDEX subscription_tenant ON subscription (tenant_id, id);
COMMENT ON TABLE  subscription IS 'Where a tenant''s own systems are told of what happens.';
COMMENT ON COLUMN subscription.id IS 'Internal id; the order of lists.';
COMMENT ON COLUMN subscription.uid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN subscription.tenant_id IS 'Owner.';
COMMENT ON COLUMN subscription.url IS 'Where its calls go.';
COMMENT ON COLUMN subscription.kinds IS 'Which events it is told of (domain::events::EventKind).';
COMMENT ON COLUMN subscription.secret IS 'Sealed signing secret (whsec_...), bound to this row''s uid.';
COMMENT ON COLUMN subscription.enabled IS 'Whether its owner wants it to be told.';
COMMENT ON COLUMN subscription.state IS '0 ok 1 failing 2 paused (db::subscriptions::State); paused by Herald after failing for long.';
COMMENT ON COLUMN subscription.reason IS 'What the last failed call came to; NULL exactly when ok.';
COMMENT ON COLUMN subscription.failing_since IS 'When the first of the failed calls in a row was made; NULL exactly when ok.';
COMMENT ON COLUMN subscription.failures IS 'Failed rounds in a row; the wait grows with them.';
COMMENT ON COLUMN subscription.next_at IS 'No call is made before.';
COMMENT ON COLUMN subscription.taken_at IS 'When it last took an event.';
COMMENT ON COLUMN subscription.lease IS 'Fencing token: counts how often a worker took it to make its calls.';
COMMENT ON COLUMN subscription.leased_until IS 'Until when that worker may make its calls; NULL: nobody does.';
COMMENT ON COLUMN subscription.created_at IS 'When it was made.';
COMMENT ON COLUMN subscription.updated_at IS 'When its owner last changed it.';

CREATE TABLE event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid         uuid NOT NULL DEFAULT gen_random_uuid(),
    tenant_id   bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind        smallint NOT NULL,
    plan_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    no          integer NOT NULL,
    data        jsonb NOT NULL
);
CREATE INDEX event_replay ON event (tenant_id, at, id);
COMMENT ON TABLE  event IS 'What happened, as far as a subscription of its tenant wants to know. Kept for some days, to be told again.';
COMMENT ON COLUMN event.id IS 'Order: within a plan that of the commits.';
COMMENT ON COLUMN event.uid IS 'webhook-id: the same in every call about it.';
COMMENT ON COLUMN event.tenant_id IS 'Owner.';
COMMENT ON COLUMN event.at IS 'When it happened.';
COMMENT ON COLUMN event.kind IS 'What happened (domain::events::EventKind).';
COMMENT ON COLUMN event.plan_id IS 'The plan; 0: a test, of no plan.';
COMMENT ON COLUMN event.slot IS 'The delivery''s slot; 0: it is of no delivery.';
COMMENT ON COLUMN event.no IS 'The recipient; 0: it is of the plan.';
COMMENT ON COLUMN event.data IS 'What may have changed when it is told: reason, answer, counts. No addresses.';

CREATE TABLE subscription_call (
    subscription_id bigint NOT NULL,
    event_id        bigint NOT NULL,
    attempts        smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscription_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE  subscription_call IS 'What a subscription is still to be told; deleted when it was.';
COMMENT ON COLUMN subscription_call.subscription_id IS 'Who is told. No foreign key: it would lock that row in every transaction that moves deliveries.';
COMMENT ON COLUMN subscription_call.event_id IS 'Of what.';
COMMENT ON COLUMN subscription_call.attempts IS 'Calls about it that failed.';
COMMENT ON COLUMN subscription_call.due_at IS 'It is not told again before; nor is what came after it to the same recipient.';

-- What a change of a plan's status is to be told as; NULL: nothing.
CREATE FUNCTION plan_event(before integer, after integer) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (CASE WHEN after = 5 THEN 1 WHEN before = 5 AND after IN (3, 4) THEN 2 WHEN after = 6 THEN 3 WHEN after = 7 THEN 4
                 WHEN after = 8 THEN 5 WHEN after = 9 THEN 6 WHEN before = 1 AND after IN (3, 4) THEN 7 WHEN after = 2 THEN 8
                 WHEN before = 6 AND after = 4 THEN 9 END)::smallint
$$;
COMMENT ON FUNCTION plan_event IS 'Same table as domain::events::of_plan.';

-- Writes events (parallel arrays, in this order) that a subscription of their tenant wants, and the calls about them. Of messages that
-- Herald itself sends (terms.internal) nobody is told. Subscriptions that their owner disabled get no call; the event is kept, to be told when they ask for it.
CREATE FUNCTION note_events(event_kinds smallint[], plans bigint[], slots smallint[], nos integer[], datas jsonb[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH noted AS (
        INSERT INTO event (tenant_id, kind, plan_id, slot, no, data)
        SELECT p.tenant_id, e.kind, e.plan_id, e.slot, e.no, e.data
          FROM unnest(event_kinds, plans, slots, nos, datas) WITH ORDINALITY AS e(kind, plan_id, slot, no, data, ord)
         CROSS JOIN LATERAL (SELECT x.tenant_id FROM plan x WHERE x.id = e.plan_id AND x.terms ->> 'internal' IS NULL OFFSET 0) AS p
         WHERE EXISTS (SELECT FROM subscription s WHERE s.tenant_id = p.tenant_id AND e.kind = ANY(s.kinds))
         ORDER BY e.ord
        RETURNING id, tenant_id, kind
    )
    INSERT INTO subscription_call (subscription_id, event_id)
    SELECT s.id, n.id
      FROM noted n
     CROSS JOIN LATERAL (SELECT x.id FROM subscription x WHERE x.tenant_id = n.tenant_id AND x.enabled AND n.kind = ANY(x.kinds) OFFSET 0) AS s;
END $$;

-- Deliveries whose status became sent, delivered, failed or unknown. Runs after delivery_tally_update, by its name: the plans are locked.
CREATE FUNCTION tell_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    heard bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM subscription) THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(p.id) INTO heard
      FROM plan p
     WHERE p.id = ANY(ARRAY(SELECT DISTINCT n.plan_id FROM new_rows n))
       AND EXISTS (SELECT FROM subscription s WHERE s.tenant_id = p.tenant_id);
    IF heard IS NULL THEN
        RETURN NULL;
    END IF;
    -- Grouped instead of joined: a join of both tables could become a nested loop over the whole batch.
    PERFORM note_events(array_agg((g.status + 7)::smallint ORDER BY g.plan_id, g.no, g.slot), array_agg(g.plan_id ORDER BY g.plan_id, g.no, g.slot),
                        array_agg(g.slot ORDER BY g.plan_id, g.no, g.slot), array_agg(g.no ORDER BY g.plan_id, g.no, g.slot),
                        array_agg(jsonb_build_object('reason', g.reason, 'attempt', g.attempt) ORDER BY g.plan_id, g.no, g.slot))
       FROM (SELECT plan_id, slot, no, max(after) AS status, max(reason) AS reason, max(attempt) AS attempt
               FROM (SELECT plan_id, slot, no, status AS after, NULL::smallint AS before, reason, attempt FROM new_rows WHERE plan_id = ANY(heard)
                     UNION ALL
                     SELECT plan_id, slot, no, NULL, status, NULL, NULL FROM old_rows WHERE plan_id = ANY(heard)) AS both_rows
              GROUP BY plan_id, slot, no
             HAVING max(after) IN (3, 4, 5, 6) AND max(after) IS DISTINCT FROM max(before)) AS g
     HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_told AFTER UPDATE ON delivery REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tell_deliveries();

-- A first reading, a first answer. Whoever notes them writes the plan's counts in the same statement, so its row is locked.
CREATE FUNCTION tell_recipient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM subscription) THEN
        RETURN NULL;
    END IF;
    IF old.read_at IS NULL AND new.read_at IS NOT NULL THEN
        PERFORM note_events('{20}', ARRAY[new.plan_id], '{0}', ARRAY[new.no], ARRAY[jsonb_build_object('channel', new.read_channel)]);
    END IF;
    IF old.answered_at IS NULL AND new.answered_at IS NOT NULL THEN
        PERFORM note_events('{21}', ARRAY[new.plan_id], '{0}', ARRAY[new.no],
                            ARRAY[jsonb_build_object('answer', new.answer, 'answer_text', new.answer_text, 'channel', new.read_channel)]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER recipient_told AFTER UPDATE OF read_at, answered_at ON recipient FOR EACH ROW
WHEN ((old.read_at IS NULL AND new.read_at IS NOT NULL) OR (old.answered_at IS NULL AND new.answered_at IS NOT NULL))
EXECUTE FUNCTION tell_recipient();

-- A plan as it is when its change is committed: one that was finished and went on in the same transaction tells nothing.
CREATE FUNCTION tell_plan() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p record;
BEGIN
    IF NOT EXISTS (SELECT FROM subscription s WHERE s.tenant_id = new.tenant_id) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO p FROM plan WHERE id = new.id;
    IF p.status IS DISTINCT FROM new.status THEN
        RETURN NULL;
    END IF;
    PERFORM note_events(ARRAY[plan_event(old.status, new.status)], ARRAY[new.id], '{0}', '{0}', ARRAY[jsonb_build_object(
        'status', p.status, 'recipients', jsonb_build_object('total', p.n_recipients, 'waiting', p.n_waiting, 'read', p.n_read, 'acknowledged', p.n_acknowledged),
        'deliveries', jsonb_build_object('total', p.n_deliveries, 'open', p.n_open, 'sent', p.n_sent, 'delivered', p.n_delivered, 'failed', p.n_failed,
                                         'unknown', p.n_unknown, 'suppressed', p.n_suppressed, 'cancelled', p.n_cancelled, 'expired', p.n_expired))]);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER plan_told AFTER UPDATE OF status ON plan DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (old.status <> new.status AND plan_event(old.status, new.status) IS NOT NULL)
EXECUTE FUNCTION tell_plan();
