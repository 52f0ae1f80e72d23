"""SQLite: bans and positions, committed together."""
