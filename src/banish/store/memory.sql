-- Version 5: what jails know beyond their bans, committed together with how far the sources are judged (store/memory.py), and when
-- a place in a source was written, so that one that nobody reads any more can be forgotten.

-- Entries of a book (the failures of a jail, its sessions ...) as they were at a commit. A later row's entry replaces an earlier one's.
CREATE TABLE memory (
    number  INTEGER PRIMARY KEY,   -- in the order of the commits
    kind    TEXT    NOT NULL,      -- window, sessions, notes
    jail    TEXT    NOT NULL,      -- empty: of no jail
    at      REAL    NOT NULL,      -- when it was written
    last_at REAL    NOT NULL,      -- no entry of this row or an earlier one of the book is younger
    entries INTEGER NOT NULL,
    body    BLOB    NOT NULL       -- plain values, pickled
);

ALTER TABLE positions ADD COLUMN saved_at REAL NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN saved_at REAL NOT NULL DEFAULT 0;
