-- Gives out leave for calls of an account: a slice of time nobody else gets, counted in its minute and day.
-- $1 account, $2 calls wanted, $3 calls a second to give out (NULL: no such limit), $4 how far ahead slices may be given out, in ms,
-- $5 units a minute, $6 units a day (NULL: no such limit), $7 units a call.
-- Times are the database's, read after the row's lock was had: slices never overlap, whatever clocks workers have.
WITH held AS MATERIALIZED (
    SELECT * FROM account_pace WHERE account_id = $1 FOR UPDATE
), clock AS MATERIALIZED (
    SELECT *, clock_timestamp() AS now, pg_stat_get_bgwriter_stat_reset_time() AS recovery FROM held
), known AS MATERIALIZED (
    SELECT c.*, floor(extract(epoch FROM c.now))::bigint AS second, floor(extract(epoch FROM c.now) / 1440)::bigint AS span,
           interval '1 s' / ($3::double precision * coalesce(h.factor, 1)) AS step, coalesce(h.paused_until, '-infinity') AS paused_until,
           -- Asynchronous commits of a server that crashed may be lost: what was given out then is over after a second. A recovery
           -- without a new start (one server process crashed) shows in its statistics, which begin anew.
           c.boot <> pg_postmaster_start_time() OR c.recovered IS DISTINCT FROM c.recovery AS rebooted
      FROM clock c LEFT JOIN account_health h ON h.account_id = c.account_id
), placed AS MATERIALIZED (
    SELECT k.*,
           -- A clock that was set back must not stop the account until it has caught up.
           CASE WHEN k.rebooted OR k.tat > k.now + interval '3 s' + 2 * k.step THEN k.now + interval '1 s' ELSE greatest(k.tat, k.now) END AS from_at,
           CASE WHEN $5::integer IS NULL THEN k.minute
                ELSE ARRAY(SELECT CASE WHEN k.second - (k.second - i) % 61 > k.minute_at THEN 0 ELSE k.minute[i + 1] END
                             FROM generate_series(0, 60) AS i ORDER BY i) END AS in_minute,
           CASE WHEN $6::integer IS NULL THEN k.day
                ELSE ARRAY(SELECT CASE WHEN k.span - (k.span - i) % 61 > k.day_at THEN 0 ELSE k.day[i + 1] END
                             FROM generate_series(0, 60) AS i ORDER BY i) END AS in_day
      FROM known k
), room AS MATERIALIZED (
    SELECT p.*, $5::integer - (SELECT sum(n) FROM unnest(p.in_minute) AS n) AS minute_left,
           $6::integer - (SELECT sum(n) FROM unnest(p.in_day) AS n) AS day_left,
           $3::double precision IS NOT NULL AND p.from_at >= p.now + $4::double precision * interval '1 ms' AS ahead
      FROM placed p
), given AS MATERIALIZED (
    SELECT r.*, CASE WHEN r.ahead OR r.paused_until > r.now THEN 0
                     ELSE greatest(0, least($2::integer, r.minute_left / $7::integer, r.day_left / $7::integer)) END AS calls
      FROM room r
), taken AS (
    UPDATE account_pace p
       SET tat = CASE WHEN $3::double precision IS NULL THEN p.tat ELSE g.from_at + g.calls * g.step END, boot = pg_postmaster_start_time(), recovered = g.recovery,
           minute = CASE WHEN $5::integer IS NULL THEN p.minute
                         ELSE ARRAY(SELECT g.in_minute[i + 1] + CASE WHEN i = g.second % 61 THEN g.calls * $7 ELSE 0 END FROM generate_series(0, 60) AS i ORDER BY i) END,
           minute_at = g.second,
           day = CASE WHEN $6::integer IS NULL THEN p.day
                      ELSE ARRAY(SELECT g.in_day[i + 1] + CASE WHEN i = g.span % 61 THEN g.calls * $7 ELSE 0 END FROM generate_series(0, 60) AS i ORDER BY i) END,
           day_at = g.span
      FROM given g
     WHERE p.account_id = g.account_id AND (g.calls > 0 OR g.from_at > g.now + interval '900 ms' AND g.from_at < g.tat OR g.rebooted)
)
SELECT calls::integer, (extract(epoch FROM from_at - now) * 1000)::double precision AS starts_ms,
       coalesce(extract(epoch FROM step) * 1000, 0)::double precision AS step_ms,
       CASE WHEN paused_until > now THEN 1 WHEN day_left < 1 THEN 2 WHEN minute_left < 1 THEN 3 WHEN least(day_left, minute_left) < $7 THEN 4 ELSE 0 END AS why,
       least(extract(epoch FROM greatest(paused_until, now) - now) * 1000, 1e9)::double precision AS paused_ms,
       least(day_left, minute_left)::integer AS units_left
  FROM given
