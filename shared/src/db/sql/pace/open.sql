-- Makes sure an account can be paced. $1 account.
INSERT INTO account_pace (account_id, boot) VALUES ($1, pg_postmaster_start_time()) ON CONFLICT (account_id) DO NOTHING
