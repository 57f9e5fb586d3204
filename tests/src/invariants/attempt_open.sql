-- An attempt is open.
SELECT 'plan ' || plan_id || ' no ' || lo FROM attempt WHERE ended_at IS NULL
