-- A delivery is not final.
SELECT 'plan ' || plan_id || ' slot ' || slot || ' no ' || no FROM delivery WHERE status = 0
