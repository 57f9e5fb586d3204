-- Removes those of some files that no plan uses; the transaction holds them all. $1 internal ids.
DELETE FROM file f WHERE f.id = ANY($1) AND NOT EXISTS (SELECT FROM plan_file u WHERE u.file_id = f.id)
