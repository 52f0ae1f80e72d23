"""The database file: made, checked, brought to this version's schema, copied or set aside.

One side speaks paths, the other sqlite3 connections in autocommit mode, ready for `Store`. Errors are sqlite3's and the system's own,
and `DamagedError` for a file that no longer is a database; `Store` says what they mean.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from banish.errors import StoreError
from banish.store import bans, history, memory, places, rows

STEPS = ("schema.sql", "schema2.sql", "events.sql", "cursors.sql", "memory.sql")
"""Step *n* makes version *n + 1* (``PRAGMA user_version``) out of version *n*; steps are added, never changed."""

# Memory-mapped reading is left off on purpose: SQLite cannot report a failing disk through it, the process dies of SIGBUS.
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "temp_store = MEMORY",
    "cache_size = -8192",
    "wal_autocheckpoint = 2000",
)
OPENING = 2.0
"""Seconds that another program's transaction is waited for while the daemon comes up."""
RUNNING = 0.05
"""The same while it runs: nothing else happens in the meantime, and what cannot be written waits in memory."""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_BUSY: "another program holds it locked: close that",
    sqlite3.SQLITE_CORRUPT: "check the disk; it is moved aside and a new one begun as soon as that is possible",
    sqlite3.SQLITE_NOTADB: "check the disk; it is moved aside and a new one begun as soon as that is possible",
    sqlite3.SQLITE_ERROR: "it is another program's: choose another directory with --state",
    sqlite3.SQLITE_IOERR: "check the disk and its file system",
}


class DamagedError(Exception):
    """The file is not a database, or one that is torn or lacks its tables."""


def connect(name: str, patience: float = OPENING) -> sqlite3.Connection:
    """Return a connection to a sound database, perhaps an empty one; DamagedError when it is not sound.

    *patience* is how many seconds it waits for another program's transaction, until `hurry` is called.
    """
    connection = sqlite3.connect(name, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = rows.untext
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedError(str(error)) from error
        raise
    if verdict != "ok":
        connection.close()
        raise DamagedError(" ".join(str(verdict).split()))
    return connection


def hurry(connection: sqlite3.Connection) -> None:
    """From now on, wait `RUNNING` seconds at most."""
    connection.execute(f"PRAGMA busy_timeout = {round(RUNNING * 1000)}")


def copy(path: Path) -> sqlite3.Connection:
    """Return a copy in memory, which refuses to be written, of the file as it is on the disk.

    What is only in the ``-wal``, as after a crash, is seen if there is a ``-shm`` beside it or one can be made; ``immutable`` opens a file
    where neither is so (https://sqlite.org/wal.html#readonly).
    """
    try:
        connection = _copied(path, "mode=ro")
    except (sqlite3.Error, DamagedError):
        connection = _copied(path, "mode=ro&immutable=1")
    migrate(connection, str(path))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _copied(path: Path, how: str) -> sqlite3.Connection:
    connection = connect(":memory:")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as source:
            source.backup(connection)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise DamagedError(str(verdict))
    except BaseException:
        connection.close()
        raise
    return connection


def nothing(path: Path) -> sqlite3.Connection:
    """Return an empty database in memory, which refuses to be written, in place of the file."""
    connection = connect(":memory:")
    migrate(connection, str(path))
    connection.execute("PRAGMA query_only = ON")
    return connection


def migrate(connection: sqlite3.Connection, name: str) -> int:
    """Bring the database to this version's schema and return the version it had: 0 for a new one. Closes it on error."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(STEPS):
            raise StoreError(
                f"{name}: the database has version {version}, this program knows {len(STEPS)} "
                "(it was written by a later version: use that, or move the file away)"
            )
        connection.create_function("network_of_text", 1, rows.network_of_text, deterministic=True)
        for step in range(version, len(STEPS)):
            script = Path(__file__).with_name(STEPS[step]).read_text("utf-8")
            connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {step + 1}; COMMIT;")
        try:
            for query in (*bans.TABLES, *places.TABLES, *history.TABLES, *memory.TABLES):
                connection.execute(query).close()
        except sqlite3.OperationalError as error:
            raise DamagedError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return int(version)


def make(path: Path) -> bool:
    """Make an empty file for the owner alone, and its directory; False when there is one already.

    SQLite gives the ``-wal`` and ``-shm`` beside it the same mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


def move_aside(path: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    aside = Path(f"{path}.corrupt-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = Path(f"{path}.corrupt-{stamp}-{count}")
    with suppress(FileNotFoundError):
        path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _code(error: BaseException) -> int:
    """The primary result code (https://sqlite.org/rescode.html); 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: BaseException) -> bool:
    """True when the file has been found to be no sound database."""
    return isinstance(error, DamagedError) or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells the file at *path* from another one; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_foreign(error: BaseException) -> bool:
    """True when a sound database has other tables than ours: it is somebody else's."""
    return _code(error) == sqlite3.SQLITE_ERROR


def remedy(error: BaseException) -> str:
    return _REMEDIES.get(_code(error), "make the directory writable, or choose another with --state")
