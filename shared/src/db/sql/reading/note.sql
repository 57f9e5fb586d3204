-- Notes who has read and who has answered, and counts it with their plans: many people in one statement, each plan's row written once.
-- The first reading and the first answer stand. An answer is a reading, too. Nothing is noted of drafts and of what was recalled.
-- Returns the position (from 1) of what was noted.
-- Parallel arrays: $1 plans, $2 recipients, $3 channels (0: not known), $4 answers (NULL: read only), $5 answers in their own words.
-- Rows are locked in key order, recipients before plans, as everywhere.
WITH given AS MATERIALIZED (
    SELECT DISTINCT ON (g.plan_id, g.no) g.plan_id, g.no, nullif(g.channel, 0) AS channel, g.answer, g.words, g.ord
      FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::text[], $5::text[]) WITH ORDINALITY AS g(plan_id, no, channel, answer, words, ord)
     ORDER BY g.plan_id, g.no, g.answer IS NULL, g.ord
), held AS MATERIALIZED (
    SELECT g.plan_id, g.no, g.channel, g.answer, g.words, g.ord, r.key, r.read_at IS NULL AS unread
      FROM given g JOIN recipient r ON r.plan_id = g.plan_id AND r.no = g.no
     WHERE CASE WHEN g.answer IS NULL THEN r.read_at IS NULL ELSE r.answered_at IS NULL END
       AND EXISTS (SELECT FROM plan p WHERE p.id = g.plan_id AND p.status + 0 NOT IN (0, 1, 2, 7) AND p.binned_at IS NULL)
     ORDER BY g.plan_id, g.no FOR NO KEY UPDATE OF r
), written AS (
    UPDATE recipient r
       SET read_at = coalesce(r.read_at, now()), read_channel = CASE WHEN h.unread THEN h.channel ELSE r.read_channel END,
           answered_at = CASE WHEN h.answer IS NULL THEN r.answered_at ELSE now() END,
           answer = coalesce(h.answer, r.answer), answer_text = coalesce(h.words, r.answer_text)
      FROM held h
     WHERE r.plan_id = h.plan_id AND r.no = h.no
    RETURNING h.plan_id, h.no, h.answer, h.ord, h.key, h.unread
), counted AS MATERIALIZED (
    SELECT p.id, c.read, c.answered
      FROM (SELECT w.plan_id, count(*) FILTER (WHERE w.unread)::integer AS read, count(w.answer)::integer AS answered
              FROM written w GROUP BY w.plan_id) AS c
      JOIN plan p ON p.id = c.plan_id
     ORDER BY p.id FOR NO KEY UPDATE OF p
), tallied AS (
    UPDATE plan p
       SET n_read = p.n_read + c.read, n_acknowledged = p.n_acknowledged + c.answered,
           answers = CASE WHEN c.answered = 0 THEN p.answers ELSE coalesce(p.answers, '{}') || (
               SELECT jsonb_object_agg(a.answer, coalesce((p.answers ->> a.answer)::integer, 0) + a.n)
                 FROM (SELECT w.answer, count(*) AS n FROM written w WHERE w.plan_id = c.id AND w.answer IS NOT NULL GROUP BY w.answer) AS a) END
      FROM counted c
     WHERE p.id = c.id
    RETURNING p.id, p.tenant_id
), remembered AS (
    INSERT INTO opened_message (tenant_id, key, plan_id, no)
    SELECT t.tenant_id, w.key, w.plan_id, w.no FROM written w JOIN tallied t ON t.id = w.plan_id WHERE w.unread AND w.key IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT w.ord FROM written w
