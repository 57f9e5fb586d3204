-- A draft takes the place of a recalled plan, if none does yet. $1 the plan, $2 the draft.
WITH led AS (
    UPDATE plan SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL RETURNING id
)
UPDATE plan p SET supersedes = led.id FROM led WHERE p.id = $2
RETURNING p.id
