-- A notice is written, or needs not be any more. $1 notice.
DELETE FROM notice WHERE id = $1
