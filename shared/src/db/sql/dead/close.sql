-- Plans that were reopened for nothing: what was to go out again did so through somebody else, or was no failure any more. $1 plans.
UPDATE plan SET status = 6, finished_at = now()
 WHERE id = ANY($1) AND status + 0 = 4 AND expanded AND n_open = 0
