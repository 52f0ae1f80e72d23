BEGIN TRANSACTION;
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
INSERT INTO "bans" VALUES('sshd','192.0.2.7','192.0.2.7/32',100.0,4000000000.0,'jail','5 failures in 1m',3,5,'["line one","line two"]','{"user":"root"}');
INSERT INTO "bans" VALUES('sshd','2001:db8::/48','2001:db8::/48',100.0,NULL,'admin','',1,0,'[]','{}');
INSERT INTO "bans" VALUES('web','alice',NULL,100.0,200.0,'jail','1 failure',2,1,'[]','{}');
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
PRAGMA user_version = 1;
