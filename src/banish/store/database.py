"""The database: bans, source positions and the history of events, committed together.

The daemon speaks `Decision` and `Position`, the other side is one SQLite file in WAL mode. Positions and the bans that came from
the lines before them are one transaction: after a crash, a power cut or kill -9 both are as they were at some commit, and the
lines after it are simply read again. So no ban is lost and no line is counted twice.

The law: a bad state never stops the daemon. A file that is damaged is moved aside and a new one begun (`Store.problem` says so);
what cannot be written now (full disk, read-only file system, no permission, a lock that another program holds) stays in memory and
goes with the next `Store.save` that succeeds. Only two things are refused: a database that is not ours or of a later version, and
a state directory that another banishd uses.

``synchronous=NORMAL`` may lose the last commits on a power cut, but never tears one apart (https://sqlite.org/wal.html).
Nothing here is thread-safe; calls may come from different threads, but only one at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

from banish.decisions.ledger import Past
from banish.errors import Origin, Problem, StoreError
from banish.model import Cursor, Decision, Incident, Position
from banish.store import file, history, inquiry, lock, rows
from banish.store.rows import Key

PENDING = 100_000
"""How many unwritten bans (and how many unwritten positions) are kept while saving fails; the oldest are dropped first."""

# The last word wins, even with an earlier time: what comes here has passed the ledger, and the clock may have been set back.
_BAN = """
    INSERT OR REPLACE INTO bans (jail, id, network, at, expires_at, origin, basis, set_at, reason, ban_count, failures)
    VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?)"""
_EVIDENCE = """
    INSERT OR REPLACE INTO evidence (jail, id, matches, fields) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"""
_NO_EVIDENCE = "DELETE FROM evidence WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_PARDON_JAIL = "DELETE FROM bans WHERE jail = CAST(? AS TEXT) AND (+expires_at > ? OR +expires_at IS NULL)"
_BEHIND = """
    SELECT CAST(jail AS BLOB), CAST(id AS BLOB), EXISTS (SELECT 1 FROM bans WHERE bans.jail = evidence.jail AND bans.id = evidence.id)
    FROM evidence WHERE (jail, id) > (CAST(? AS TEXT), CAST(? AS TEXT)) ORDER BY jail, id LIMIT ?"""
_LATEST = f"{file.WHOLE_BANS} WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_UNBAN = """
    UPDATE bans SET expires_at = min(?, coalesce(expires_at, ?)) WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""
_PARDON = "DELETE FROM bans WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_POSITION = """
    INSERT OR REPLACE INTO positions (source, device, inode, "offset", head, anchor) VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?)"""
_FORGET = "DELETE FROM positions WHERE source = CAST(? AS TEXT)"
_CURSOR = "INSERT OR REPLACE INTO cursors (source, cursor, at) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?)"
_FORGET_CURSOR = "DELETE FROM cursors WHERE source = CAST(? AS TEXT)"
# The signs keep SQLite from its index, by which it would look for each of half a million rows by itself.
_STANDING = f"{file.ALL_BANS} WHERE +expires_at > ? OR +expires_at IS NULL"
_PAST = "SELECT jail, id, ban_count, at, expires_at FROM bans WHERE expires_at <= ? ORDER BY expires_at"
_PURGE = "SELECT CAST(jail AS BLOB), CAST(id AS BLOB) FROM bans WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between attempts to write while that fails: doubled each time, from the first to the longest."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Store:
    """One open database. Make it with `Store.open`.

    While it cannot be written, `problem` says so and `pending` is not 0; see `save`.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._bans: dict[Key, Decision | float | None] = {}
        """Not yet written: a ban, when it was ended, or None: it is to be forgotten."""
        self._positions: dict[str, Position | Cursor | None] = {}
        self.most_matches: int | None = None
        """Lines that are kept of a ban, the last ones; None for all that it brings."""
        self._pardoned: dict[str, float] = {}
        """Jails whose bans were all pardoned, and when; earlier than what is in *_bans*."""
        self._swept: tuple[bytes, bytes] | None = (b"", b"")
        """How far evidence was looked through for what belongs to no ban; None: all of it."""
        self._history = history.History()
        self._dropped = 0
        self._found: Problem | None = None
        """What was wrong with the file when it was opened."""
        self._stand_in: Literal["copy", "nothing"] | None = None
        """What the connection is to while the file cannot be opened: a copy of it in memory, or an empty database there."""
        self._lock: lock.Lock | None = None
        self._trouble: Exception | None = None
        """Why the last attempt to write failed."""
        self._failed_at = 0.0
        self._pause = 0.0

    @classmethod
    def open(cls, path: Path | Literal[":memory:"], now: float) -> Store:
        """Open the database at *path*, made with its directory (0700, the file 0600) when there is none.

        A damaged file is moved to ``PATH.corrupt-TIME`` (TIME is *now*, in UTC) and a new one is begun; `problem` says so.
        A file that can be read but not written (full disk, read-only file system) is read, and one that can be neither read nor
        made counts as empty; `problem` says that too, and `save` returns to the file as soon as it can be opened.

        The directory is locked for this process until `close` (see `lock`). Raises StoreError when another process holds it,
        or when the file was written by a later version or another program.
        """
        if not isinstance(path, Path):
            connection = file.connect(path)
            file.migrate(connection, path)
            return cls(connection, path)
        held = None
        try:
            try:
                held = lock.hold(path.parent)
                store = cls._open_file(path, now)
            except (OSError, sqlite3.Error, file.DamagedError) as error:
                store = cls._without_file(path, error, now)
        except BaseException:
            _release(held)
            raise
        store._lock = held
        return store

    @classmethod
    def _without_file(cls, path: Path, error: Exception, now: float) -> Store:
        if file.is_foreign(error):
            raise StoreError(f"{path}: cannot open the database: {error} ({file.remedy(error)})") from error
        stand_in: Literal["copy", "nothing"] = "copy"
        try:
            connection = file.copy(path)
        except (OSError, sqlite3.Error, file.DamagedError):
            stand_in, connection = "nothing", file.nothing(path)
        store = cls(connection, str(path))
        store._stand_in = stand_in
        store._note(error, now)
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
        store._found = problem
        file.hurry(connection)
        return store

    @property
    def problem(self) -> Problem | None:
        """The first of `problems`; None while there is nothing to tell."""
        return next(iter(self.problems), None)

    @property
    def problems(self) -> list[Problem]:
        """What a person should know about, at this moment: that nothing can be written, that bans were dropped because of it,
        that the file was damaged when it was opened. The first goes by itself when writing works again.
        """
        origin = Origin(self._name)
        found = []
        if self._trouble is not None:
            what = {"copy": "can be read but not written", "nothing": "can be neither read nor written"}
            state = what.get(self._stand_in or "", "cannot be written")
            unsaved = f"{len(self._bans)} bans and {len(self._positions)} positions are not saved"
            found.append(
                Problem(
                    f"the database {state}: {self._trouble}; {unsaved}, and "
                    "new bans do not survive a restart until it works again",
                    remedy=file.remedy(self._trouble),
                    origin=origin,
                )
            )
        if self._dropped:
            found.append(
                Problem(
                    f"{self._dropped} bans could not be written and were dropped from memory, the oldest first",
                    remedy="they stand until the next restart, and are not restored after it",
                    origin=origin,
                )
            )
        return found if self._found is None else [*found, self._found]

    def save(
        self,
        bans: Iterable[Decision] = (),
        unbans: Iterable[Key] = (),
        positions: Mapping[str, Position | Cursor | None] | None = None,
        *,
        pardons: Iterable[Key] = (),
        pardoned_jails: Iterable[str] = (),
        incidents: Iterable[Incident] = (),
        now: float,
    ) -> None:
        """Write all of it, and whatever an earlier call could not write, in one transaction.

        *unbans* are (jail, id) of bans that ended before their time, at *now*: the row stays and keeps its count. They count
        as later than *bans* of the same call. A ban of the same jail and id replaces the row (that is how a ban is prolonged).
        *pardons* are (jail, id) of bans that shall be forgotten altogether, their count too; *pardoned_jails* are jails in which
        that goes for every ban in force, before anything else of the call. A position of None forgets its source. *incidents* go
        into the history, in their order.

        What cannot be written is kept for the next call, and nothing is lost by carrying on. Raises StoreError when that
        begins, and when it fails for another reason than the last time; as long as it lasts it is tried again after 1, 2, 4 and
        at last every 60 seconds, calls before that only take note, and `problem` tells it.
        """
        for jail in pardoned_jails:
            self._pardoned[jail] = now
            self._bans = {
                key: word for key, word in self._bans.items() if key[0] != jail or not isinstance(word, Decision)
            }
        bans = list(bans)
        self._history.add(incidents, bans)
        for ban in bans:
            _put(self._bans, (ban.jail, ban.id), ban)
        for key in unbans:
            self._end(key, now)
        for key in pardons:
            _put(self._bans, key, None)
        for source, position in (positions or {}).items():
            _put(self._positions, source, position)
        if not self.pending:
            return
        if self._trouble is not None and 0 <= now - self._failed_at < self._pause:
            self._bound()
            return
        known = self._trouble
        error = self._attempt(now)
        if error is not None and str(error) != str(known):
            raise self._unsaved(error) from error

    @property
    def pending(self) -> int:
        """How many bans, positions and events wait to be written, because the last `save` failed; 0 when all is well."""
        return len(self._bans) + len(self._positions) + len(self._pardoned) + len(self._history)

    def standing(self, now: float) -> Iterator[Decision]:
        """Yield the bans that are in force at *now*, as restored ones and without evidence, in no particular order.

        To be used up before anything is written. Raises StoreError when the database cannot be read.
        """
        found, forced = rows.decisions(self._read(_STANDING, (now,))), self.forced()
        if not forced:
            return found
        return (ban._replace(forced=forced.get((ban.jail, ban.id)) == ban.at) for ban in found)

    def past(self, now: float) -> Iterator[tuple[Key, Past]]:
        """Yield how often each (jail, id) was banned whose last ban is over at *now*, as far back as `purge` has left them.

        In the order in which their last bans ended, and to be used up before anything is written. Raises StoreError when the
        database cannot be read.
        """
        for jail, ident, count, at, until in self._read(_PAST, (now,)):
            if (
                isinstance(jail, str)
                and isinstance(ident, str)
                and isinstance(count, int)
                and isinstance(at, (int, float))
                and isinstance(until, (int, float))
            ):
                yield (jail, ident), Past(count, at, until)

    def latest(self, jail: str, id_: str) -> Decision | None:
        """Return the last ban of *id_* in *jail*, in force or not, with its evidence and the origin it was saved with.

        None when there was none. Raises StoreError when the database cannot be read.
        """
        waiting = self._bans.get((jail, id_))
        if isinstance(waiting, Decision):
            return waiting
        found = self._read(_LATEST, (rows.text(jail), rows.text(id_)))
        return next((decision for row in found if (decision := rows.whole(row)) is not None), None)

    def positions(self) -> dict[str, Position]:
        """Return how far each source has been judged. Raises StoreError when the database cannot be read."""
        found = self._read(file.ALL_POSITIONS, ())
        return dict(pair for row in found if (pair := rows.position(row)) is not None)

    def cursors(self) -> dict[str, Cursor]:
        """Return how far the journal has been judged, by source. Raises StoreError when the database cannot be read."""
        found = self._read(file.ALL_CURSORS, ())
        return dict(pair for row in found if (pair := rows.cursor(row)) is not None)

    def purge(self, now: float, age: float, limit: int = 1000) -> int:
        """Delete at most *limit* rows of bans that ended *age* seconds ago or earlier, and return how many were deleted.

        A small *limit* keeps each step short (1000 rows take some milliseconds); call again while it returns *limit*.
        Raises StoreError when the database cannot be written.
        """
        connection = self._connection
        try:
            with self._transaction():
                keys = connection.execute(_PURGE, (now - age, limit)).fetchall()
                connection.executemany(_PARDON, keys)
                connection.executemany(_NO_EVIDENCE, keys)
            return len(keys)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot purge old bans: {error} ({file.remedy(error)})") from error

    def sweep(self, limit: int = 1000) -> int:
        """Look through *limit* pieces of evidence for those that belong to no ban any more, and delete them.

        Return how many were looked at; 0 when all have been, until whole jails are pardoned again. Raises StoreError when the
        database cannot be written.
        """
        if self._swept is None:
            return 0
        try:
            with self._transaction():
                found = self._connection.execute(_BEHIND, (*self._swept, limit)).fetchall()
                lost = [(jail, ident) for jail, ident, stands in found if not stands]
                self._connection.executemany(_NO_EVIDENCE, lost)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot purge evidence: {error} ({file.remedy(error)})") from error
        self._swept = (found[-1][0], found[-1][1]) if found else None
        return len(found)

    def forced(self) -> dict[Key, float]:
        """Return which bans an administrator forced, with when they began. Raises StoreError when it cannot be read."""
        with self._reading():
            return history.forced(self._connection)

    def incidents(self, subject: str | None = None, since: float = 0.0, most: int = 1000) -> list[Incident]:
        """Return the last *most* events since *since*, the oldest first; see ``inquiry``. Raises StoreError."""
        return self.events(inquiry.Wanted(subject, since, most=most))

    def events(self, wanted: inquiry.Wanted) -> list[Incident]:
        """Return the last events that fit *wanted*, the oldest first. Raises StoreError."""
        with self._reading():
            return inquiry.events(self._connection, wanted)

    def purge_history(self, before: float) -> int:
        """Forget some events from before *before*, and return how many. Raises StoreError when it cannot be written."""
        try:
            return history.purge(self._connection, before)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot purge old events: {error} ({file.remedy(error)})") from error

    def close(self) -> None:
        """Try once more to write what waits, and close. Raises StoreError when something stayed unwritten."""
        try:
            error = self._attempt(0.0) if self.pending else None
            if error is not None:
                raise self._unsaved(error) from error
        finally:
            self._connection.close()
            _release(self._lock)

    def _end(self, key: Key, now: float) -> None:
        waiting = self._bans.get(key)
        if isinstance(waiting, Decision):
            # The ban itself was never written; its row must be, for the count.
            _put(self._bans, key, waiting._replace(expires_at=min(now, waiting.expires_at)))
        elif key not in self._bans:
            _put(self._bans, key, now)

    def _attempt(self, now: float) -> Exception | None:
        """Write what waits; return what stood in the way."""
        try:
            if self._stand_in:
                self._reopen()
            self._write()
        except (OSError, sqlite3.Error, file.DamagedError, StoreError) as error:
            self._bound()
            self._note(error, now)
            return error
        self._bans.clear()
        self._positions.clear()
        self._pardoned.clear()
        self._history.clear()
        self._trouble, self._pause = None, 0.0
        return None

    def _note(self, error: Exception, now: float) -> None:
        self._trouble, self._failed_at = error, now
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE

    def _unsaved(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._name}: cannot save {len(self._bans)} bans and {len(self._positions)} positions: {error} "
            f"({file.remedy(error)}; they are kept in memory until it works again)"
        )

    def _bound(self) -> None:
        while len(self._bans) > PENDING:
            del self._bans[next(iter(self._bans))]
            self._dropped += 1
        while len(self._positions) > PENDING:
            del self._positions[next(iter(self._positions))]

    def _reopen(self) -> None:
        """Leave the copy for the file itself, or raise what still stands in the way."""
        path = Path(self._name)
        if self._lock is None:
            self._lock = lock.hold(path.parent)
        file.make(path)
        connection = file.connect(self._name, file.RUNNING)
        file.migrate(connection, self._name)
        self._connection.close()
        self._connection = connection
        self._stand_in = None

    def _write(self) -> None:
        write = self._connection
        bans = [ban for ban in self._bans.values() if isinstance(ban, Decision)]
        told = [ban for ban in bans if ban.matches or ban.fields]
        untold = [(ban.jail, ban.id) for ban in bans if not (ban.matches or ban.fields)]
        pardoned = [key for key, at in self._bans.items() if at is None]
        with self._transaction():
            if self._pardoned:
                # Their evidence may be hundreds of megabytes, and is left to sweep().
                write.executemany(_PARDON_JAIL, [(rows.text(jail), at) for jail, at in self._pardoned.items()])
                self._swept = (b"", b"")
            write.executemany(_BAN, map(rows.ban_row, bans))
            write.executemany(_EVIDENCE, [rows.evidence_row(ban, self.most_matches) for ban in told])
            write.executemany(
                _UNBAN,
                [
                    (at, at, rows.text(jail), rows.text(ident))
                    for (jail, ident), at in self._bans.items()
                    if at is not None and not isinstance(at, Decision)
                ],
            )
            write.executemany(_PARDON, map(_texts, pardoned))
            write.executemany(_NO_EVIDENCE, map(_texts, chain(untold, pardoned)))
            known = [(source, at) for source, at in self._positions.items() if isinstance(at, Position)]
            write.executemany(_POSITION, [rows.position_row(*item) for item in known])
            cursors = [(source, at) for source, at in self._positions.items() if isinstance(at, Cursor)]
            write.executemany(_CURSOR, [rows.cursor_row(*item) for item in cursors])
            forgotten = [(rows.text(source),) for source, at in self._positions.items() if at is None]
            write.executemany(_FORGET, forgotten)
            write.executemany(_FORGET_CURSOR, forgotten)
            self._history.write(write)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (a full disk, for one); then this has nothing to do.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _read(self, query: str, values: tuple[float | bytes, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield row by row, so that half a million need no room of their own."""
        with self._reading():
            yield from self._connection.execute(query, values)

    @contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot read the database: {error} ({file.remedy(error)})") from error


def _release(held: lock.Lock | None) -> None:
    if held is not None:
        held.release()


def _texts(key: Key) -> tuple[bytes, bytes]:
    jail, ident = key
    return rows.text(jail), rows.text(ident)


def _put(table: dict[_K, _V], key: _K, value: _V) -> None:
    """Set *key* as the newest entry, so that the oldest word is the first one in the table."""
    table.pop(key, None)
    table[key] = value
