-- Jobs that waited for a plan which has ended without them: a resend made needless by a late outcome. In chunks.
DELETE FROM job WHERE id IN (
    SELECT j.id FROM job j JOIN plan p ON p.id = j.plan_id
     WHERE j.kind = 1 AND j.state < 2 AND p.finished_at IS NOT NULL AND p.n_open = 0 LIMIT 1000 FOR UPDATE OF j SKIP LOCKED)
