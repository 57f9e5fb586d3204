-- Counts what people have who had one delivery each, where that is not noted yet. Returns how many could not be had just now.
-- Nobody is waited for: whoever settles deliveries locks them in an order of their own. A delivery that is locked may be settled by somebody
-- who saw the plan with one slot and counts no people; it is looked at again, until what is noted is right. Whoever comes later counts.
-- $1 plan, $2 slot, $3 first, $4 last position.
WITH wrong AS MATERIALIZED (
    SELECT d.plan_id, d.no FROM delivery d
     CROSS JOIN LATERAL (SELECT r.open, r.best FROM recipient r WHERE r.plan_id = $1 AND r.no = d.no OFFSET 0) AS r
     WHERE d.plan_id = $1 AND d.slot = $2 AND d.no BETWEEN $3 AND $4
       AND (r.open <> CASE d.status WHEN 0 THEN 1 ELSE 0 END OR r.best <> d.status)
), held AS MATERIALIZED (
    SELECT d.plan_id, d.no, d.status FROM wrong w JOIN delivery d ON d.plan_id = w.plan_id AND d.slot = $2 AND d.no = w.no ORDER BY d.no FOR SHARE OF d SKIP LOCKED
), counted AS (
    UPDATE recipient r SET open = CASE h.status WHEN 0 THEN 1 ELSE 0 END, best = h.status
      FROM held h WHERE r.plan_id = h.plan_id AND r.no = h.no
)
SELECT (SELECT count(*) FROM wrong) - (SELECT count(*) FROM held)
