-- Version 4: how far the systemd journal has been judged, for each match on it: committed together with the bans that came of it.
CREATE TABLE cursors (
    source TEXT NOT NULL PRIMARY KEY,
    cursor TEXT NOT NULL,            -- as sd_journal_get_cursor(3) gives it
    at     REAL NOT NULL             -- when the entry was received
) WITHOUT ROWID;
