-- Everybody's share of an account's calls at once, and whose turn it is for what cannot be divided: it changes every two seconds.
-- $1 account.
SELECT s.incarnation_id, s.places, s.wanted, s.urgent, floor(extract(epoch FROM clock_timestamp()) / 2)::bigint
  FROM account_share s JOIN worker_incarnation w ON w.id = s.incarnation_id
 WHERE s.account_id = $1 AND w.ended_at IS NULL
