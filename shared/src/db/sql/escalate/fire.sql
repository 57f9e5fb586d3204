-- Fires steps that are locked, and deletes their jobs. $1 jobs.
SELECT fire_ladders($1)
