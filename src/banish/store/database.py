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

import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

from banish.decisions.ledger import Past
from banish.errors import Origin, Problem, StoreError
from banish.model import Decision, Position
from banish.store import file, rows
from banish.store.rows import Key

PENDING = 100_000
"""How many unwritten bans (and how many unwritten positions) are kept while saving fails; the oldest are dropped first."""

# The last word wins, even with an earlier time: what comes here has passed the ledger, and the clock may have been set back.
_BAN = """
    INSERT OR REPLACE INTO bans (jail, id, network, at, expires_at, origin, reason, ban_count, failures, matches, fields)
    VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?)"""
_UNBAN = """
    UPDATE bans SET expires_at = min(?, coalesce(expires_at, ?)) WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""
_PARDON = "DELETE FROM bans WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_POSITION = """
    INSERT OR REPLACE INTO positions (source, device, inode, "offset", head, anchor) VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?)"""
_FORGET = "DELETE FROM positions WHERE source = CAST(? AS TEXT)"
_STANDING = f"{file.ALL_BANS} WHERE expires_at > ? OR expires_at IS NULL ORDER BY expires_at IS NULL, expires_at"
_PURGE = """
    DELETE FROM bans WHERE (jail, id) IN (SELECT jail, id FROM bans WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Store:
    """One open database. Make it with `Store.open`.

    problem
        What a person should know about: a damaged file that was moved aside, or unwritten bans that had to be dropped. None while
        there is nothing to tell.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._bans: dict[Key, Decision | float | None] = {}
        """Not yet written: a ban, when it was ended, or None: it is to be forgotten."""
        self._positions: dict[str, Position | None] = {}
        self.problem: Problem | None = None
        self._unwritable: Problem | None = None
        """Set while the connection is to a copy in memory, because the file cannot be written."""

    @classmethod
    def open(cls, path: Path | Literal[":memory:"], now: float) -> Store:
        """Open the database at *path*, made with its directory (0700, the file 0600) when there is none.

        A damaged file is moved to ``PATH.corrupt-TIME`` (TIME is *now*, in UTC) and a new one is begun; `problem` says so.
        A file that can be read but not written (full disk, read-only file system) is read; every `save` fails until it can be
        written again. Raises StoreError when the file can be neither read nor made, or was written by a later version.
        """
        if not isinstance(path, Path):
            connection = file.connect(path)
            file.migrate(connection, path)
            return cls(connection, path)
        try:
            return cls._open_file(path, now)
        except (OSError, sqlite3.Error, file.DamagedError) as error:
            try:
                connection = file.copy(path)
            except (OSError, sqlite3.Error, file.DamagedError):
                raise StoreError(f"{path}: cannot open the database: {error} ({file.remedy(error)})") from error
            store = cls(connection, str(path))
            store.problem = store._unwritable = Problem(
                f"the database can be read but not written: {error}; what happens now is kept in memory until it works again",
                remedy=file.remedy(error),
                origin=Origin(str(path)),
            )
            return store

    @classmethod
    def _open_file(cls, path: Path, now: float) -> Store:
        made = file.make(path)
        problem = None
        try:
            connection = file.connect(str(path))
            version = file.migrate(connection, str(path))
        except file.DamagedError as damage:
            aside = file.move_aside(path, now)
            file.make(path)
            connection = file.connect(str(path))
            file.migrate(connection, str(path))
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
        pardons: Iterable[Key] = (),
        now: float,
    ) -> None:
        """Write all of it, and whatever an earlier call could not write, in one transaction.

        *unbans* are (jail, id) of bans that ended before their time, at *now*: the row stays and keeps its count. They count
        as later than *bans* of the same call. A ban of the same jail and id replaces the row (that is how a ban is prolonged).
        *pardons* are (jail, id) of bans that shall be forgotten altogether, their count too.
        A position of None forgets its source.

        Raises StoreError when nothing could be written; then all of it is kept for the next call, and nothing is lost by
        carrying on.
        """
        for ban in bans:
            _put(self._bans, (ban.jail, ban.id), ban)
        for key in unbans:
            self._end(key, now)
        for key in pardons:
            _put(self._bans, key, None)
        for source, position in (positions or {}).items():
            _put(self._positions, source, position)
        if not (self._bans or self._positions):
            return
        try:
            if self._unwritable:
                self._reopen()
            self._write()
        except (sqlite3.Error, file.DamagedError) as error:
            self._bound()
            raise StoreError(
                f"{self._name}: cannot save {len(self._bans)} bans and {len(self._positions)} positions: {error} "
                f"({file.remedy(error)}; they are kept in memory until it works again)"
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

    def past(self) -> dict[Key, Past]:
        """Return how often each (jail, id) has been banned, ended bans included, as far back as `purge` has left them.

        In the order in which their last bans began. Raises StoreError when the database cannot be read.
        """
        found = self._read("SELECT jail, id, ban_count, at, expires_at FROM bans ORDER BY at", ())
        return {
            (jail, ident): Past(count, at, math.inf if until is None else until)
            for jail, ident, count, at, until in found
            if isinstance(jail, str)
            and isinstance(ident, str)
            and isinstance(count, int)
            and isinstance(at, (int, float))
            and isinstance(until, (int, float, type(None)))
        }

    def positions(self) -> dict[str, Position]:
        """Return how far each source has been judged. Raises StoreError when the database cannot be read."""
        found = self._read(file.ALL_POSITIONS, ())
        return dict(pair for row in found if (pair := rows.position(row)) is not None)

    def purge(self, now: float, age: float, limit: int = 1000) -> int:
        """Delete at most *limit* rows of bans that ended *age* seconds ago or earlier, and return how many were deleted.

        A small *limit* keeps each step short (1000 rows take some milliseconds); call again while it returns *limit*.
        Raises StoreError when the database cannot be written.
        """
        try:
            return self._connection.execute(_PURGE, (now - age, limit)).rowcount
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot purge old bans: {error} ({file.remedy(error)})") from error

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
        elif key not in self._bans:
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
        connection = file.connect(self._name)
        file.migrate(connection, self._name)
        self._connection.close()
        self._connection = connection
        if self.problem is self._unwritable:
            self.problem = None
        self._unwritable = None

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
                    if at is not None and not isinstance(at, Decision)
                ],
            )
            write.executemany(
                _PARDON, [(rows.text(jail), rows.text(ident)) for (jail, ident), at in self._bans.items() if at is None]
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
            raise StoreError(f"{self._name}: cannot read the database: {error} ({file.remedy(error)})") from error


def _put(table: dict[_K, _V], key: _K, value: _V) -> None:
    """Set *key* as the newest entry, so that the oldest word is the first one in the table."""
    table.pop(key, None)
    table[key] = value
