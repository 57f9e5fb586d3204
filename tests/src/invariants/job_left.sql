-- A job is left.
SELECT 'kind ' || kind || ' state ' || state || ' plan ' || plan_id FROM job
