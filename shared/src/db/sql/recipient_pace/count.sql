-- Counts messages to recipients of an account, each as far as its limits allow; the rest is held back, in order.
-- $1 account, $2 members (ascending, each once), $3 messages wanted to each, $4 spans in seconds (shortest first), $5 most messages in each,
-- $6 urgent: those do not queue behind others that are held back.
-- Returns member, given, how many were held back before these since "queue", and in how many seconds the first group of the queue may go.
WITH clock AS MATERIALIZED (
    SELECT floor(extract(epoch FROM clock_timestamp()))::integer AS now
), span AS MATERIALIZED (
    SELECT s.length, s.most,
           greatest(0, s.most - (SELECT count(*) FROM recipient_round r WHERE r.account_id = $1 AND r.seen > c.now - s.length)::integer) AS room
      FROM clock c, unnest($4::integer[], $5::integer[]) AS s(length, most)
), bound AS MATERIALIZED (
    SELECT max(length) AS longest, min(room) AS room, min(most) / 2 AS half FROM span
), want AS MATERIALIZED (
    SELECT w.member, w.asked, least(w.asked, b.room) AS given
      FROM unnest($2::bigint[], $3::integer[]) AS w(member, asked), bound b
), counted AS (
    INSERT INTO recipient_pace AS p (account_id, member, times, asked, given, hot, queue_at, queued)
    SELECT $1, w.member, array_fill(c.now, ARRAY[w.given]), w.asked, w.given, w.given > b.half,
           CASE WHEN w.given < w.asked THEN c.now + ($4::integer[])[1] ELSE 0 END, CASE WHEN $6::boolean THEN 0 ELSE w.asked - w.given END
      FROM want w, clock c, bound b
     ORDER BY w.member
    ON CONFLICT (account_id, member) DO UPDATE SET (times, asked, given, hot, queue_at, queued) = (
        SELECT n.times, excluded.asked, g.given, cardinality(n.times) > b.half,
               CASE WHEN f.at IS NULL THEN p.queue_at WHEN f.at > q.last OR $6::boolean THEN f.at ELSE p.queue_at END,
               CASE WHEN f.at IS NULL OR $6::boolean THEN p.queued
                    ELSE CASE WHEN f.at > q.last THEN 0 ELSE p.queued END + excluded.asked - g.given END
          FROM clock c CROSS JOIN bound b
         CROSS JOIN LATERAL (SELECT ARRAY(SELECT t FROM unnest(p.times) AS t WHERE t > c.now - b.longest ORDER BY t) AS times) AS k
         CROSS JOIN LATERAL (SELECT greatest(0, least(excluded.asked,
                                    min(s.room - (SELECT count(*)::integer FROM unnest(k.times) AS t WHERE t > c.now - s.length)))) AS given
                               FROM span s) AS g
         CROSS JOIN LATERAL (SELECT k.times || array_fill(c.now, ARRAY[g.given]) AS times) AS n
         -- When one more may go: in each full span, once enough of those in it have left.
         CROSS JOIN LATERAL (SELECT CASE WHEN g.given < excluded.asked
                                         THEN (SELECT max(CASE WHEN w.used < s.room THEN c.now
                                                               WHEN s.room = 0 OR w.used - s.room + 1 > cardinality(w.inside) THEN c.now + 5
                                                               ELSE w.inside[w.used - s.room + 1] + s.length END)
                                                 FROM span s CROSS JOIN LATERAL (SELECT array_agg(t ORDER BY t) AS inside, count(*)::integer AS used
                                                                                   FROM unnest(n.times) AS t WHERE t > c.now - s.length) AS w)
                                    END AS at) AS f
         CROSS JOIN LATERAL (SELECT p.queue_at + p.queued / ($5::integer[])[1] * ($4::integer[])[1] AS last) AS q)
    RETURNING p.member, p.asked, p.given, p.queue_at, p.queued
)
SELECT k.member, k.given, greatest(0, k.queued - (k.asked - k.given)), k.queue_at - c.now FROM counted k, clock c
