-- A browser that may open a recipient's page from now on. $1 plan, $2 recipient.
INSERT INTO page_pass (plan_id, no) VALUES ($1, $2) RETURNING id
