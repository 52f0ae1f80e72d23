"""What stands between a decision and the ledger: who is never banned, and when a jail bans too many. Pure."""
