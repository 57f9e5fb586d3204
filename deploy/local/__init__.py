"""The private servers and the processes of one clone: what `make run`, `make test` and `deploy/servers` share.

Standard library only (the mailbox, deploy/mailbox.py, needs python3-aiosmtpd). See deploy/README.md for a map.
"""
