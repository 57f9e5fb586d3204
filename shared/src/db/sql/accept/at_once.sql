-- The usual case in one statement and one trip: every plan, key and reference is new, or nothing is written (unique violation).
-- Parallel arrays. Keys, in key order: $1 api keys, $2 routes, $3 keys, $4 hashes, $5 statuses, $6 locations, $7 bodies.
-- Plans: $8 ids, $9 created_at, $10 tenants, $11 statuses, $12 lanes, $13 on_unknown, $14 slots as array text, $15 expanded, $16 send_at,
--   $17 expires_at, $18 recipients, $19 duplicates, $20 titles, $21 references, $22 contents, $23 tiers, $24 acknowledgements,
--   $25 metadata, $26 traceparents, $49 steps in mode first as array text, $50 deliveries (0: counted as they are written),
--   $51 untils and $52 waits as array text (NULL: no ladders), $53 terms (NULL: none),
--   $54 steps as array text (NULL: they are the tiers).
-- Recipients: $27 plans, $28 nos, $29 keys, $30 names, $31 addresses, $32 skips, $33 variables, $34 locales, $35 time zones.
-- Deliveries of plans born expanded: $36 plans, $37 slots, $38 nos, $39 statuses, $40 reasons.
-- Their jobs, born published: $41 plans, $42 tenants, $43 slots, $44 lanes, $45 accounts, $46 units, $47 los, $48 his.
-- The other plans get an expand job, but for drafts and those that wait for approval (status 0 and 1). Returns the jobs born published: the caller publishes them after the commit; lost ones are
-- found when their visibility time lapses.
WITH keys AS (
    INSERT INTO idempotency (api_key_id, route, key, hash, status, location, body)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::text[], $7::text[])
), fresh AS MATERIALIZED (
    SELECT * FROM unnest($8::bigint[], $9::timestamptz[], $10::bigint[], $11::smallint[], $12::smallint[], $13::smallint[], $14::text[],
                         $15::boolean[], $16::timestamptz[], $17::timestamptz[], $18::integer[], $19::integer[], $20::text[], $21::text[],
                         $22::jsonb[], $23::jsonb[], $24::jsonb[], $25::jsonb[], $26::text[], $49::text[], $50::integer[], $51::text[], $52::text[], $53::jsonb[], $54::text[])
           AS f(id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, send_at, expires_at, recipients, duplicates,
                title, reference, content, tiers, acknowledgement, metadata, traceparent, first_tiers, deliveries, untils, waits, terms, steps)
), plans AS (
    INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, send_at, expires_at, started_at,
                      n_recipients, n_duplicates, title, reference, content, tiers, acknowledgement, metadata, traceparent,
                      first_tiers, n_deliveries, n_open, untils, waits, n_waiting, terms, steps)
    SELECT id, created_at, tenant_id, status, lane, on_unknown, slots::smallint[], expanded, send_at, expires_at,
           CASE WHEN status = 4 THEN now() END, recipients, duplicates, title, reference, content, tiers, acknowledgement, metadata, traceparent,
           first_tiers::smallint[], deliveries, deliveries, untils::smallint[], waits::bigint[],
           CASE WHEN untils IS NULL OR status < 3 OR terms ? 'recurrence' THEN 0 ELSE recipients END, terms, steps::smallint[]
      FROM fresh
), people AS (
    INSERT INTO recipient (plan_id, no, key, name, addresses, skips, variables, locale, time_zone)
    SELECT * FROM unnest($27::bigint[], $28::integer[], $29::text[], $30::text[], $31::jsonb[], $32::jsonb[], $33::jsonb[], $34::text[], $35::text[])
), deliveries AS (
    INSERT INTO delivery (plan_id, slot, no, status, reason)
    SELECT * FROM unnest($36::bigint[], $37::smallint[], $38::integer[], $39::smallint[], $40::text[])
), later AS (
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
    SELECT nextval('job_id'), 0, id, tenant_id, 16, lane, recipients, 1, recipients, coalesce(send_at, now()) FROM fresh WHERE NOT expanded AND status > 2
)
INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, account_id, units, lo, hi, state, publishes, due_at)
SELECT nextval('job_id'), 1, plan_id, tenant_id, slot, lane, account_id, units, lo, hi, 1, 1,
       now() + CASE WHEN lane = 0 THEN interval '3 s' ELSE interval '10 s' END
  FROM unnest($41::bigint[], $42::bigint[], $43::smallint[], $44::smallint[], $45::bigint[], $46::integer[], $47::integer[], $48::integer[])
       AS j(plan_id, tenant_id, slot, lane, account_id, units, lo, hi)
RETURNING id, plan_id, slot, lane, account_id, units
