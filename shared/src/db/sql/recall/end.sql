-- The end of a pass over a plan's messages: when nothing of it is open any more the recall is done, else calls that were under way may have
-- ended meanwhile, and it begins anew. $1 job, $2 token, $3 plan, $4 nothing was found in this pass.
WITH done AS (
    DELETE FROM job j USING plan p
     WHERE j.id = $1 AND j.token = $2 AND p.id = $3 AND $4 AND (p.status + 0 <> 7 OR p.finished_at IS NOT NULL)
    RETURNING j.id
)
UPDATE job SET members = NULL, due_at = now() + interval '1 s' WHERE id = $1 AND token = $2 AND NOT EXISTS (SELECT FROM done)
