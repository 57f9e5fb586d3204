-- One plan; no row back when its reference is taken.
-- $1 id, $2 created_at, $3 tenant, $4 status, $5 lane, $6 on_unknown, $7 slots, $8 expanded, $9 send_at, $10 expires_at,
-- $11 started now, $12 recipients, $13 duplicates, $14 title, $15 reference, $16 content, $17 tiers, $18 acknowledgement,
-- $19 metadata, $20 traceparent, $21 steps in mode first, $22 untils, $23 waits (NULL: no ladders), $24 terms (NULL: none),
-- $25 steps (NULL: they are the tiers)
INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, send_at, expires_at, started_at,
                  n_recipients, n_duplicates, title, reference, content, tiers, acknowledgement, metadata, traceparent, first_tiers,
                  untils, waits, n_waiting, terms, steps)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $11 THEN now() END, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
        $22::smallint[], $23::bigint[], CASE WHEN $22::smallint[] IS NULL OR $4::smallint < 3 OR $24::jsonb ? 'recurrence' THEN 0 ELSE $12::integer END, $24, $25)
ON CONFLICT (tenant_id, reference) WHERE reference IS NOT NULL DO NOTHING
RETURNING id
