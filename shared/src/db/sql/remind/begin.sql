-- A round begins: its slots are the plan's. Of a plan that had one slot its people are counted first. $1 plan, $2 step.
WITH begun AS (
    UPDATE plan p SET slots = p.slots || m.slots, uncounted = cardinality(p.slots) = 1 AND p.untils IS NULL
      FROM reminder m WHERE m.plan_id = $1 AND m.step = $2 AND p.id = m.plan_id
    RETURNING p.uncounted
)
UPDATE reminder m SET state = CASE WHEN b.uncounted THEN 1 ELSE 2 END FROM begun b WHERE m.plan_id = $1 AND m.step = $2
