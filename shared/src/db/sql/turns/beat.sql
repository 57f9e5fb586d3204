-- A sign of life. $1 run. No row: it was declared dead.
UPDATE dispatcher_run SET beat = beat + 1 WHERE id = $1
