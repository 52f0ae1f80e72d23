BEGIN TRANSACTION;
CREATE TABLE "bans" (
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
INSERT INTO "bans" VALUES('sshd','192.0.2.7',X'C000020720',100.0,4000000000.0,'jail','said',100.0,'5 failures in 1m',3,5);
INSERT INTO "bans" VALUES('sshd','2001:db8::/48',X'20010DB800000000000000000000000030',100.0,NULL,'admin','said',100.0,'',1,0);
INSERT INTO "bans" VALUES('web','alice',NULL,100.0,200.0,'jail','said',100.0,'1 failure',2,1);
CREATE TABLE evidence (
    jail    TEXT NOT NULL,
    id      TEXT NOT NULL,
    matches TEXT NOT NULL,        -- JSON: the last log lines, oldest first
    fields  TEXT NOT NULL,        -- JSON: the named groups of the match
    PRIMARY KEY (jail, id)
) WITHOUT ROWID;
INSERT INTO "evidence" VALUES('sshd','192.0.2.7','["line one","line two"]','{"user":"root"}');
CREATE TABLE positions (
    source   TEXT    NOT NULL PRIMARY KEY,
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,    -- 64 bits unsigned, stored as two's complement
    "offset" INTEGER NOT NULL,
    head     BLOB    NOT NULL,
    anchor   BLOB    NOT NULL
) WITHOUT ROWID;
INSERT INTO "positions" VALUES('/var/log/auth.log',1,-2,300,X'4E6F76203232',X'737368320A');
CREATE INDEX bans_by_end ON bans (expires_at);
COMMIT;
PRAGMA user_version = 2;
