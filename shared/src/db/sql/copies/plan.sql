-- A draft with what another plan says and how it goes out, without its people, reference, times and reminders.
-- $1 the other plan, $2 the draft's id, $3 when it is made, $4 expires_at, $5 traceparent.
INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers, acknowledgement,
                  metadata, traceparent, first_tiers, untils, waits, terms, steps)
SELECT $2, $3, p.tenant_id, 0, p.lane, p.on_unknown,
       ARRAY(SELECT s.slot FROM unnest(p.slots) WITH ORDINALITY AS s(slot, place) WHERE s.slot < 2048 ORDER BY s.place),
       $4, 0, p.title, p.content, p.tiers, p.acknowledgement, p.metadata, $5, p.first_tiers, p.untils, p.waits, p.terms, p.steps
  FROM plan p WHERE p.id = $1
