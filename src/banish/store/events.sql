-- Version 3: what happened, for those who look later. Bounded; the oldest go first (store/history.py).
CREATE TABLE events (
    number INTEGER PRIMARY KEY,    -- in the order in which they happened
    at     REAL NOT NULL,
    jail   TEXT NOT NULL,
    kind   TEXT NOT NULL,          -- banned, prolonged, unbanned, expired, refused, paused, resumed
    id     TEXT NOT NULL,          -- empty: it concerns the whole jail
    reason TEXT NOT NULL,
    origin TEXT NOT NULL
);

-- The bans that an administrator forced: of the row in bans that has the same jail, id and beginning.
CREATE TABLE forced (
    jail TEXT NOT NULL,
    id   TEXT NOT NULL,
    at   REAL NOT NULL,
    PRIMARY KEY (jail, id)
) WITHOUT ROWID;
