-- Makes sure an account can be paced. $1 account.
INSERT INTO account_pace (account_id, boot, recovered) VALUES ($1, pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time()) ON CONFLICT (account_id) DO NOTHING
