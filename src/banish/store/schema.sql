-- Version 1 of the database. Times are Unix seconds; every later version is a step of its own (store/database.py).

-- The standing or the last ban of an id in a jail: a row stays after its end, because ban_count goes on from it.
CREATE TABLE bans (
    jail       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    network    TEXT,              -- CIDR; NULL: the id is not an address
    at         REAL    NOT NULL,
    expires_at REAL,              -- NULL: for ever
    origin     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    ban_count  INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    matches    TEXT    NOT NULL,  -- JSON: the last log lines, oldest first
    fields     TEXT    NOT NULL,  -- JSON: the named groups of the match
    PRIMARY KEY (jail, id)
) WITHOUT ROWID;

CREATE INDEX bans_by_end ON bans (expires_at);

-- How far each source has been judged: committed together with the bans that came of it.
CREATE TABLE positions (
    source   TEXT    NOT NULL PRIMARY KEY,
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,    -- 64 bits unsigned, stored as two's complement
    "offset" INTEGER NOT NULL,
    head     BLOB    NOT NULL,
    anchor   BLOB    NOT NULL
) WITHOUT ROWID;
