-- Deliveries of a round for some of a plan's people: those whom it is for, by what is known now. Whoever was cut off before anything of
-- the plan was tried is nobody to be reminded. $1 plan, $2 step, $3 first, $4 last position, $5 people named one by one, or NULL.
WITH round AS MATERIALIZED (
    SELECT m.plan_id, m.who, m.slots FROM reminder m WHERE m.plan_id = $1 AND m.step = $2
), them AS MATERIALIZED (
    SELECT r.no FROM round m
     CROSS JOIN LATERAL (SELECT r.no, r.open, r.best, r.read_at, r.answered_at FROM recipient r
                          WHERE r.plan_id = $1 AND r.no BETWEEN $3 AND $4 OFFSET 0) AS r
     WHERE CASE m.who WHEN 1 THEN r.read_at IS NULL AND r.open = 0 AND r.best IN (5, 7)
                      WHEN 2 THEN r.read_at IS NULL AND r.best BETWEEN 3 AND 7
                      WHEN 3 THEN r.answered_at IS NULL AND r.best BETWEEN 3 AND 7
                      ELSE r.no = ANY($5::integer[]) END
)
SELECT open_deliveries(array_agg($1::bigint), array_agg(s.slot), array_agg(w.no))
  FROM them w CROSS JOIN round m CROSS JOIN LATERAL unnest(m.slots) AS s(slot)
HAVING count(*) > 0
