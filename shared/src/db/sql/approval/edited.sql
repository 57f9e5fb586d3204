-- A plan was changed by a key, which may not approve it from now on; a plan that waited or was rejected is a draft again, and what was
-- decided is void. $1 plan, $2 key. The caller holds the plan.
UPDATE plan
   SET status = CASE WHEN status IN (1, 2) THEN 0 ELSE status END, epoch = epoch + 1,
       terms = jsonb_set(coalesce(terms, '{}'), '{authors}', CASE WHEN coalesce(terms -> 'authors' @> to_jsonb($2::bigint), false) THEN terms -> 'authors'
                              ELSE coalesce(terms -> 'authors', '[]') || to_jsonb($2::bigint) END)
 WHERE id = $1
