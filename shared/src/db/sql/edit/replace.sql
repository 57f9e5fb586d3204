-- What a draft says and how it goes, written anew. Its reference names it for good. The caller holds the row, and says that it was edited (approval/edited.sql).
-- $1 plan, $2 lane, $3 on_unknown, $4 slots, $5 send_at, $6 expires_at, $7 title, $8 reference, $9 content, $10 tiers, $11 acknowledgement,
-- $12 metadata, $13 steps in mode first, $14 untils, $15 waits (NULL: no ladders), $16 terms (NULL: none),
-- $17 steps (NULL: they are the tiers)
UPDATE plan
   SET lane = $2, on_unknown = $3, slots = $4, send_at = $5, expires_at = $6, title = $7, reference = coalesce(reference, $8), content = $9,
       tiers = $10, acknowledgement = $11, metadata = $12, first_tiers = $13, untils = $14::smallint[], waits = $15::bigint[],
       terms = $16, steps = $17
 WHERE id = $1
