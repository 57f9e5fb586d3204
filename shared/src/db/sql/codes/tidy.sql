-- Codes and passes that are good for nothing any more.
WITH codes AS (
    DELETE FROM code WHERE id IN (SELECT id FROM code WHERE created_at < now() - interval '1 day' ORDER BY id LIMIT 10000)
)
DELETE FROM page_pass WHERE id IN (SELECT id FROM page_pass WHERE created_at < now() - interval '31 days' ORDER BY created_at LIMIT 10000)
