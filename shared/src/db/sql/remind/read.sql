-- A round whose people are being chosen. $1 plan, $2 step.
SELECT m.state, m.slots, m.counted, p.slots[1] AS first, p.n_recipients FROM reminder m JOIN plan p ON p.id = m.plan_id WHERE m.plan_id = $1 AND m.step = $2
