-- Adds what a worker saw; old calls count half every ten seconds. A lowered rate recovers by 5 % for every 10 s without a throttle.
-- $1 account, $2 good calls, $3 bad calls, $4 mean time of a call in ms.
INSERT INTO account_health AS h (account_id, good, bad, latency_ms, judged_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (account_id) DO UPDATE
   SET good = h.good * power(0.5, least(greatest(extract(epoch FROM now() - h.judged_at) / 10, 0), 100)) + excluded.good,
       bad = h.bad * power(0.5, least(greatest(extract(epoch FROM now() - h.judged_at) / 10, 0), 100)) + excluded.bad,
       latency_ms = h.latency_ms + (excluded.latency_ms - h.latency_ms) * (excluded.good + excluded.bad)
                    / greatest(excluded.good + excluded.bad, (h.good + h.bad) * power(0.5, least(greatest(extract(epoch FROM now() - h.judged_at) / 10, 0), 100)) + excluded.good + excluded.bad, 1e-9),
       factor = CASE WHEN h.factor < 1 AND h.factor_at < now() - interval '10 s' THEN least(1, h.factor + 0.05) ELSE h.factor END,
       factor_at = CASE WHEN h.factor < 1 AND h.factor_at < now() - interval '10 s' THEN now() ELSE h.factor_at END,
       judged_at = now()
RETURNING good, bad, latency_ms, usual_ms, share, breaker = 1, trips
