-- Version 2: what a start needs is small and without text to be parsed; what led to a ban lies apart, for those who ask.

CREATE TABLE bans_2 (
    jail       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    network    BLOB,              -- the bytes of addresses.Network; NULL: the id is not an address
    at         REAL    NOT NULL,
    expires_at REAL,              -- NULL: for ever
    origin     TEXT    NOT NULL,
    basis      TEXT    NOT NULL,  -- what the end goes by: model.Basis
    set_at     REAL    NOT NULL,  -- when the end was decided: later than "at" when the ban was prolonged
    reason     TEXT    NOT NULL,
    ban_count  INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    PRIMARY KEY (jail, id)
) WITHOUT ROWID;

-- Nobody knows any more what these ends go by, so they are taken as said by hand: never shortened.
INSERT INTO bans_2
    SELECT jail, id, network_of_text(CAST(network AS BLOB)), at, expires_at, origin, 'said', at, reason, ban_count, failures FROM bans;

-- The lines and groups that led to the ban of the same jail and id.
CREATE TABLE evidence (
    jail    TEXT NOT NULL,
    id      TEXT NOT NULL,
    matches TEXT NOT NULL,        -- JSON: the last log lines, oldest first
    fields  TEXT NOT NULL,        -- JSON: the named groups of the match
    PRIMARY KEY (jail, id)
) WITHOUT ROWID;

INSERT INTO evidence SELECT jail, id, matches, fields FROM bans WHERE matches != '[]' OR fields != '{}';

DROP TABLE bans;
ALTER TABLE bans_2 RENAME TO bans;
CREATE INDEX bans_by_end ON bans (expires_at);
