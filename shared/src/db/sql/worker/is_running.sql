-- Whether a plan's calls may go out. $1 plan.
SELECT status + 0 = 4 AND expires_at > now() FROM plan WHERE id = $1
