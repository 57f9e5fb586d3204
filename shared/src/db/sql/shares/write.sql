-- Writes a run's share; no row: it was declared dead. $1 account, $2 incarnation, $3 places, $4 wanted, $5 urgent.
INSERT INTO account_share AS s (account_id, incarnation_id, places, wanted, urgent)
SELECT $1, w.id, $3, $4, $5 FROM worker_incarnation w WHERE w.id = $2 AND w.ended_at IS NULL
ON CONFLICT (account_id, incarnation_id) DO UPDATE SET places = excluded.places, wanted = excluded.wanted, urgent = excluded.urgent
