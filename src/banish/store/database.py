"""The database: bans and source positions, committed together.

The daemon speaks `Decision` and `Position`, the other side is one SQLite file in WAL mode. Positions and the bans that came from
the lines before them are one transaction: after a crash, a power cut or kill -9 both are as they were at some commit, and the
lines after it are simply read again. So no ban is lost and no line is counted twice.

The law: a bad state never stops the daemon. A file that is damaged is moved aside and a new one begun (`Store.problem` says so);
what cannot be written now (full disk, read-only file system) stays in memory and goes with the next `Store.save` that succeeds.

``synchronous=NORMAL`` may lose the last commits on a power cut, but never tears one apart (https://sqlite.org/wal.html).
Nothing here is thread-safe; calls may come from different threads, but only one at a time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

from banish.errors import Origin, Problem, StoreError
from banish.model import Decision, Position
from banish.store import rows
from banish.store.rows import Key

PENDING = 100_000
"""How many unwritten bans (and how many unwritten positions) are kept while saving fails; the oldest are dropped first."""

_STEPS = ("schema.sql",)
"""Step *n* makes version *n + 1* (``PRAGMA user_version``) out of version *n*; steps are added, never changed."""

# Memory-mapped reading is left off on purpose: SQLite cannot report a failing disk through it, the process dies of SIGBUS.
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "temp_store = MEMORY",
    "cache_size = -8192",
    "wal_autocheckpoint = 2000",
)
_BUSY = 2.0

# The last word wins, even with an earlier time: what comes here has passed the ledger, and the clock may have been set back.
_BAN = """
    INSERT OR REPLACE INTO bans (jail, id, network, at, expires_at, origin, reason, ban_count, failures, matches, fields)
    VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?)"""
_UNBAN = """
    UPDATE bans SET expires_at = min(?, coalesce(expires_at, ?)) WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""
_POSITION = """
    INSERT OR REPLACE INTO positions (source, device, inode, "offset", head, anchor) VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?)"""
_FORGET = "DELETE FROM positions WHERE source = CAST(? AS TEXT)"
_ALL_BANS = """
    SELECT jail, id, network, at, expires_at, origin, reason, ban_count, failures, matches, fields FROM bans"""
_STANDING = f"{_ALL_BANS} WHERE expires_at > ? OR expires_at IS NULL ORDER BY expires_at IS NULL, expires_at"
_ALL_POSITIONS = 'SELECT source, device, inode, "offset", head, anchor FROM positions'
_PURGE = """
    DELETE FROM bans WHERE (jail, id) IN (SELECT jail, id FROM bans WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_BUSY: "another program holds it locked: close that",
    sqlite3.SQLITE_CORRUPT: "restart banishd: it moves the file aside and begins a new one",
    sqlite3.SQLITE_NOTADB: "restart banishd: it moves the file aside and begins a new one",
    sqlite3.SQLITE_IOERR: "check the disk and its file system",
}

_K = TypeVar("_K")
_V = TypeVar("_V")


class _DamagedError(Exception):
    """The file is not a database, or one that is torn; never leaves this module."""


class Store:
    """One open database. Make it with `Store.open`.

    problem
        What a person should know about: a damaged file that was moved aside, or unwritten bans that had to be dropped. None while
        there is nothing to tell.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._bans: dict[Key, Decision | float] = {}
        """Not yet written: a ban, or when it was ended."""
        self._positions: dict[str, Position | None] = {}
        self._is_copy = False
        """True while the connection is to a copy in memory, because the file cannot be written."""
        self.problem: Problem | None = None

    @classmethod
    def open(cls, path: Path | Literal[":memory:"], now: float) -> Store:
        """Open the database at *path*, made with its directory (0700, the file 0600) when there is none.

        A damaged file is moved to ``PATH.corrupt-TIME`` (TIME is *now*, in UTC) and a new one is begun; `problem` says so.
        A file that can be read but not written (full disk, read-only file system) is read; every `save` fails until it can be
        written again. Raises StoreError when the file can be neither read nor made, or was written by a later version.
        """
        if not isinstance(path, Path):
            connection = _connect(path)
            _migrate(connection, path)
            return cls(connection, path)
        try:
            return cls._open_file(path, now)
        except (OSError, sqlite3.Error, _DamagedError) as error:
            try:
                connection = _copy(path)
            except (OSError, sqlite3.Error, _DamagedError):
                raise StoreError(f"{path}: cannot open the database: {error} ({_remedy(error)})") from error
            store = cls(connection, str(path))
            store._is_copy = True
            store.problem = Problem(
                f"the database can be read but not written: {error}; what happens now is kept in memory until it works again",
                remedy=_remedy(error),
                origin=Origin(str(path)),
            )
            return store

    @classmethod
    def _open_file(cls, path: Path, now: float) -> Store:
        made = _make(path)
        problem = None
        try:
            connection = _connect(str(path))
            version = _migrate(connection, str(path))
        except _DamagedError as damage:
            aside = _move_aside(path, now)
            _make(path)
            connection = _connect(str(path))
            _migrate(connection, str(path))
            problem = Problem(
                f"the database was damaged ({damage}); a new one was begun, bans of earlier runs are not restored",
                remedy=f"the damaged one is kept as {aside}; delete it when it is not needed",
                origin=Origin(str(path)),
            )
        else:
            if version == 0 and not made:
                problem = Problem(
                    "the database was an empty file; bans of earlier runs are not restored",
                    remedy="look for a full disk or a power cut",
                    origin=Origin(str(path)),
                    severity="warning",
                )
        store = cls(connection, str(path))
        store.problem = problem
        return store

    def save(
        self,
        bans: Iterable[Decision] = (),
        unbans: Iterable[Key] = (),
        positions: Mapping[str, Position | None] | None = None,
        *,
        now: float,
    ) -> None:
        """Write all of it, and whatever an earlier call could not write, in one transaction.

        *unbans* are (jail, id) of bans that ended before their time, at *now*: the row stays and keeps its count. They count
        as later than *bans* of the same call. A ban of the same jail and id replaces the row (that is how a ban is prolonged).
        A position of None forgets its source.

        Raises StoreError when nothing could be written; then all of it is kept for the next call, and nothing is lost by
        carrying on.
        """
        for ban in bans:
            _put(self._bans, (ban.jail, ban.id), ban)
        for key in unbans:
            self._end(key, now)
        for source, position in (positions or {}).items():
            _put(self._positions, source, position)
        self._bound()
        if not (self._bans or self._positions):
            return
        try:
            if self._is_copy:
                self._reopen()
            self._write()
        except (sqlite3.Error, _DamagedError) as error:
            raise StoreError(
                f"{self._name}: cannot save {len(self._bans)} bans and {len(self._positions)} positions: {error} "
                f"({_remedy(error)}; they are kept in memory until it works again)"
            ) from error
        self._bans.clear()
        self._positions.clear()

    @property
    def pending(self) -> int:
        """How many bans and positions wait to be written, because the last `save` failed; 0 when all is well."""
        return len(self._bans) + len(self._positions)

    def standing(self, now: float) -> Iterator[Decision]:
        """Yield the bans that are in force at *now*, those that end first first, with the origin they were saved with.

        Raises StoreError when the database cannot be read.
        """
        found = self._read(_STANDING, (now,))
        return (decision for row in found if (decision := rows.decision(row)) is not None)

    def ban_counts(self) -> dict[Key, int]:
        """Return how often each (jail, id) has been banned, ended bans included, as far back as `purge` has left them.

        Raises StoreError when the database cannot be read.
        """
        found = self._read("SELECT jail, id, ban_count FROM bans", ())
        return {
            (jail, ident): count
            for jail, ident, count in found
            if isinstance(jail, str) and isinstance(ident, str) and isinstance(count, int)
        }

    def positions(self) -> dict[str, Position]:
        """Return how far each source has been judged. Raises StoreError when the database cannot be read."""
        found = self._read(_ALL_POSITIONS, ())
        return dict(pair for row in found if (pair := rows.position(row)) is not None)

    def purge(self, now: float, age: float, limit: int = 1000) -> int:
        """Delete at most *limit* rows of bans that ended *age* seconds ago or earlier, and return how many were deleted.

        A small *limit* keeps each step short (1000 rows take some milliseconds); call again while it returns *limit*.
        Raises StoreError when the database cannot be written.
        """
        try:
            return self._connection.execute(_PURGE, (now - age, limit)).rowcount
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot purge old bans: {error} ({_remedy(error)})") from error

    def close(self) -> None:
        """Try once more to write what waits, and close. Raises StoreError when something stayed unwritten."""
        try:
            self.save(now=0.0)
        finally:
            self._connection.close()

    def _end(self, key: Key, now: float) -> None:
        waiting = self._bans.get(key)
        if isinstance(waiting, Decision):
            # The ban itself was never written; its row must be, for the count.
            _put(self._bans, key, replace(waiting, expires_at=min(now, waiting.expires_at)))
        elif waiting is None:
            _put(self._bans, key, now)

    def _bound(self) -> None:
        dropped = 0
        while len(self._bans) > PENDING:
            del self._bans[next(iter(self._bans))]
            dropped += 1
        while len(self._positions) > PENDING:
            del self._positions[next(iter(self._positions))]
        if dropped:
            self.problem = Problem(
                f"{dropped} bans could not be written and were dropped from memory, the oldest first",
                remedy="they stand until the next restart, and are not restored after it",
                origin=Origin(self._name),
            )

    def _reopen(self) -> None:
        """Leave the copy for the file itself, or raise what still stands in the way."""
        connection = _connect(self._name)
        _migrate(connection, self._name)
        self._connection.close()
        self._connection, self._is_copy, self.problem = connection, False, None

    def _write(self) -> None:
        write = self._connection
        write.execute("BEGIN IMMEDIATE")
        try:
            write.executemany(_BAN, [rows.ban_row(ban) for ban in self._bans.values() if isinstance(ban, Decision)])
            write.executemany(
                _UNBAN,
                [
                    (at, at, rows.text(jail), rows.text(ident))
                    for (jail, ident), at in self._bans.items()
                    if not isinstance(at, Decision)
                ],
            )
            known = [(source, position) for source, position in self._positions.items() if position is not None]
            write.executemany(_POSITION, [rows.position_row(*item) for item in known])
            write.executemany(_FORGET, [(rows.text(source),) for source, at in self._positions.items() if at is None])
            write.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (a full disk, for one); then this has nothing to do.
            with suppress(sqlite3.Error):
                write.execute("ROLLBACK")
            raise

    def _read(self, query: str, values: tuple[float, ...]) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot read the database: {error} ({_remedy(error)})") from error


def _connect(name: str) -> sqlite3.Connection:
    """Return a connection to a sound database, perhaps an empty one; _DamagedError when it is not sound."""
    connection = sqlite3.connect(name, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = rows.untext
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _DamagedError(str(error)) from error
        raise
    if verdict != "ok":
        connection.close()
        raise _DamagedError(" ".join(str(verdict).split()))
    return connection


def _copy(path: Path) -> sqlite3.Connection:
    """Return a copy in memory, which refuses to be written, of the file as it is on the disk.

    ``immutable`` opens a file whose ``-shm`` cannot be made (https://sqlite.org/wal.html#readonly); what is only in the
    ``-wal`` is not seen, and there is none after a clean stop.
    """
    connection = _connect(":memory:")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as source:
            source.backup(connection)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except BaseException:
        connection.close()
        raise
    if verdict != "ok":
        connection.close()
        raise _DamagedError(str(verdict))
    _migrate(connection, str(path))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _migrate(connection: sqlite3.Connection, name: str) -> int:
    """Bring the database to this version's schema and return the version it had: 0 for a new one. Closes it on error."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(_STEPS):
            raise StoreError(
                f"{name}: the database has version {version}, this program knows {len(_STEPS)} "
                "(it was written by a later version: use that, or move the file away)"
            )
        for step in range(version, len(_STEPS)):
            script = resources.files("banish.store").joinpath(_STEPS[step]).read_text("utf-8")
            connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {step + 1}; COMMIT;")
        try:
            connection.execute(_ALL_BANS).close()
            connection.execute(_ALL_POSITIONS).close()
        except sqlite3.OperationalError as error:
            raise _DamagedError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return int(version)


def _make(path: Path) -> bool:
    """Make an empty file for the owner alone, and its directory; False when there is one already.

    SQLite gives the ``-wal`` and ``-shm`` beside it the same mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


def _move_aside(path: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    aside = Path(f"{path}.corrupt-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = Path(f"{path}.corrupt-{stamp}-{count}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _put(table: dict[_K, _V], key: _K, value: _V) -> None:
    """Set *key* as the newest entry, so that the oldest word is the first one in the table."""
    table.pop(key, None)
    table[key] = value


def _code(error: BaseException) -> int:
    """The primary result code (https://sqlite.org/rescode.html); 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _remedy(error: BaseException) -> str:
    return _REMEDIES.get(_code(error), "make the directory writable, or choose another with --state")
