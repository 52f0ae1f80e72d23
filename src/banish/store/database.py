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
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from banish.decisions.ledger import Past
from banish.errors import Origin, Problem, StoreError
from banish.model import Cursor, Decision, Incident, Position
from banish.store import bans as bans_table
from banish.store import file, history, inquiry, lock, opening, places
from banish.store.memory import Book, Memory, Name
from banish.store.rows import Key
from banish.store.waiting import Waiting

PENDING = 100_000
"""How many unwritten bans (and how many unwritten positions) are kept while saving fails; the oldest are dropped first."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether the file is still there."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between attempts to write while that fails: doubled each time, from the first to the longest."""


class Store:
    """One open database. Make it with `Store.open`.

    While it cannot be written, `problem` says so and `pending` is not 0; see `save`.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self.memory = Memory()
        """What the heart knows beyond bans; written with them."""
        self.most_matches: int | None = None
        """Lines that are kept of a ban, the last ones; None for all that it brings."""
        self._waiting = Waiting()
        self._places: dict[str, Position | Cursor | None] = {}
        """How far each source was judged when we last heard of it."""
        self._swept: tuple[bytes, bytes] | None = (b"", b"")
        """How far evidence was looked through for what belongs to no ban; None: all of it."""
        self._found: Problem | None = None
        """What was wrong with the file when it was opened."""
        self._stand_in: opening.StandIn | None = None
        """What the connection is to while the file cannot be opened."""
        self._lock: lock.Lock | None = None
        self._identity: tuple[int, int] | None = None
        """Which file it is; None when there is none."""
        self._looked_at = -LOOK_EVERY
        self._lost = False
        self.in_force: Callable[[], Iterable[Decision]] = tuple
        """All bans that stand, for a new file in place of one that is lost."""
        self._trouble: Exception | None = None
        """Why the last attempt to write failed."""
        self._failed_at = 0.0
        self._pause = 0.0
        self.memory.index(connection)

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
        found = opening.opened(path, now)
        store = cls(found.connection, str(path))
        store._lock, store._found, store._stand_in = found.lock, found.problem, found.stand_in
        if found.trouble is not None:
            store._note(found.trouble, now)
        else:
            store._identity = file.identity(str(path))
        if found.rescued:
            with suppress(StoreError):  # then they wait, and `problems` tells it
                store.save(found.rescued, now=now)
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
            unsaved = f"{len(self._waiting.bans)} bans and {len(self._waiting.positions)} positions are not saved"
            found.append(
                Problem(
                    f"the database {state}: {self._trouble}; {unsaved}, and "
                    "new bans do not survive a restart until it works again",
                    remedy=file.remedy(self._trouble),
                    origin=origin,
                )
            )
        if self._waiting.dropped:
            found.append(
                Problem(
                    f"{self._waiting.dropped} bans could not be written and were dropped from memory, the oldest first",
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
        waiting = self._waiting
        waiting.pardon_jails(pardoned_jails, now)
        waiting.ban(bans, incidents)
        for key in unbans:
            waiting.end(key, now)
        for key in pardons:
            waiting.pardon(key)
        waiting.place(positions or {})
        self._places.update(positions or {})
        if not (self.dirty or self._lost):
            return
        if self._trouble is not None and 0 <= now - self._failed_at < self._pause:
            self._waiting.bound(PENDING)
            return
        known = self._trouble
        error = self._attempt(now)
        if error is not None and str(error) != str(known):
            raise self._unsaved(error) from error

    def hold(self, bans: Iterable[Decision], incidents: Iterable[Incident]) -> None:
        """Take note of *bans* and *incidents* for the next `save`, which brings the positions that belong to them."""
        self._waiting.ban(bans, incidents)

    def lost(self, now: float) -> bool:
        """Tell whether somebody has deleted or replaced the file, which the next `save` mends. It is looked at once a second."""
        if not self._lost and self._identity is not None and not 0 <= now - self._looked_at < LOOK_EVERY:
            self._looked_at = now
            self._lost = file.identity(self._name) != self._identity
        return self._lost

    @property
    def pending(self) -> int:
        """How many bans, positions and events wait to be written, because the last `save` failed; 0 when all is well."""
        return len(self._waiting)

    @property
    def dirty(self) -> bool:
        """True when something waits, or the memory has changed."""
        return bool(self.pending) or self.memory.changed

    def standing(self, now: float) -> Iterator[Decision]:
        """Yield the bans that are in force at *now*, as restored ones and without evidence, in no particular order.

        To be used up before anything is written. Raises StoreError when the database cannot be read.
        """
        with self._reading():
            yield from bans_table.standing(self._connection, now)

    def ended(self, since: float, until: float) -> Iterator[Decision]:
        """Yield the bans that ended after *since* and not after *until*, the first first. To be used up before anything is written.

        Raises StoreError when the database cannot be read.
        """
        with self._reading():
            yield from bans_table.ended(self._connection, since, until)

    def past(self, now: float) -> Iterator[tuple[Key, Past]]:
        """Yield how often each (jail, id) was banned whose last ban is over at *now*, as far back as `purge` has left them.

        In the order in which their last bans ended, and to be used up before anything is written. Raises StoreError when the
        database cannot be read.
        """
        with self._reading():
            yield from bans_table.past(self._connection, now)

    def latest(self, jail: str, id_: str) -> Decision | None:
        """Return the last ban of *id_* in *jail*, in force or not, with its evidence and the origin it was saved with.

        None when there was none. Raises StoreError when the database cannot be read.
        """
        waiting = self._waiting.bans.get((jail, id_))
        if isinstance(waiting, Decision):
            return waiting
        with self._reading():
            return bans_table.latest(self._connection, jail, id_)

    def evidence(self, ban: Decision) -> Decision:
        """Return *ban*, in force or ended, with what led to it; without where that is not known any more.

        It is known of bans that were pardoned with all of their jail, until `sweep`. Raises StoreError when the database cannot be read.
        """
        waiting = self._waiting.bans.get((ban.jail, ban.id))
        if isinstance(waiting, Decision):
            same = waiting.at == ban.at
            return ban._replace(matches=waiting.matches, places=waiting.places, fields=waiting.fields) if same else ban
        with self._reading():
            return bans_table.evidence(self._connection, ban)

    def positions(self) -> dict[str, Position]:
        """Return how far each source has been judged. Raises StoreError when the database cannot be read."""
        with self._reading():
            return places.positions(self._connection)

    def cursors(self) -> dict[str, Cursor]:
        """Return how far the journal has been judged, by source. Raises StoreError when the database cannot be read."""
        with self._reading():
            return places.cursors(self._connection)

    def recall(self, name: Name, book: Book) -> None:
        """Read what earlier runs knew into *book*, as far as it can be read, and keep it from now on."""
        try:
            self.memory.recall(self._connection, name, book)
        except sqlite3.Error:
            self.memory.enter(name, book)

    # What goes with time

    def shift(self, seconds: float, since: float, until: float) -> None:
        """Move the bans that began between *since* and *until*, and were in force then, by so many *seconds*: the clock was set.

        Raises StoreError when the database cannot be written; what waits to be written is not moved either.
        """
        with self._writing("move the bans to the new clock"):
            bans_table.shift(self._connection, seconds, since, until)

    def purge(self, now: float, age: float, limit: int = 1000) -> int:
        """Delete at most *limit* rows of bans that ended *age* seconds ago or earlier, and return how many were deleted.

        A small *limit* keeps each step short (1000 rows take some milliseconds); call again while it returns *limit*.
        Raises StoreError when the database cannot be written.
        """
        with self._writing("purge old bans"):
            return bans_table.purge(self._connection, now - age, limit)

    def sweep(self, limit: int = 1000) -> int:
        """Look through *limit* pieces of evidence for those that belong to no ban any more, and delete them.

        Return how many were looked at; 0 when all have been, until whole jails are pardoned again. Raises StoreError when the
        database cannot be written.
        """
        if self._swept is None:
            return 0
        with self._writing("purge evidence"):
            found = bans_table.sweep(self._connection, self._swept, limit)
        self._swept = (found[-1][0], found[-1][1]) if found else None
        return len(found)

    def purge_sources(self, used: Collection[str], before: float) -> int:
        """Forget how far sources were judged that are not *used*, and books that nobody keeps, when that was written at *before* or
        earlier; return how much that was, or some of it. Raises StoreError when the database cannot be written.
        """
        with self._writing("purge what is not read any more"):
            return places.purge(self._connection, used, before) + self.memory.forget(self._connection, before)

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
        with self._writing("purge old events"):
            return history.purge(self._connection, before)

    def close(self) -> None:
        """Try once more to write what waits, and close. Raises StoreError when something stayed unwritten."""
        try:
            error = self._attempt(0.0) if self.dirty else None
            if error is not None:
                raise self._unsaved(error) from error
        finally:
            self._connection.close()
            opening.release(self._lock)

    def _attempt(self, now: float) -> Exception | None:
        """Write what waits; return what stood in the way."""
        try:
            if self._stand_in:
                self._reopen()
            try:
                self._look(now)
                self._write(now)
            except (sqlite3.Error, file.DamagedError) as error:
                if not file.is_damage(error) or self._identity is None:
                    raise
                self._replace(error, now)
                self._write(now)
        except (OSError, sqlite3.Error, file.DamagedError, StoreError) as error:
            self._waiting.bound(PENDING)
            self._note(error, now)
            self.memory.failed()
            return error
        self._waiting.clear()
        self.memory.written()
        self._trouble, self._pause = None, 0.0
        return None

    def _note(self, error: Exception, now: float) -> None:
        self._trouble, self._failed_at = error, now
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE

    def _unsaved(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._name}: cannot save {len(self._waiting.bans)} bans and {len(self._waiting.positions)} positions: {error} "
            f"({file.remedy(error)}; they are kept in memory until it works again)"
        )

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
        self._identity = file.identity(str(path))
        self._stand_in = None
        self.memory.index(connection)

    def _look(self, now: float) -> None:
        """Raise DamagedError when somebody has deleted or replaced the file: what is written would go nowhere."""
        if self.lost(now):
            raise file.DamagedError("it was deleted, or another file put in its place")

    def _replace(self, damage: Exception, now: float) -> None:
        """Begin a new file in place of a damaged or lost one, and have everything written into it that is known."""
        path = Path(self._name)
        self._connection.close()
        # Until the new one is there: nothing else would be tried again.
        self._connection, self._stand_in, self._identity = file.nothing(path), "nothing", None
        self._lost = False
        aside = file.move_aside(path, now)
        kept = f"what was there is kept as {aside}; delete it when it is not needed" if aside.exists() else ""
        self._found = Problem(
            f"the database was damaged while banishd ran ({damage}); a new one was begun with all bans in force",
            remedy=kept or "leave the file alone while banishd runs",
            origin=Origin(self._name),
        )
        for ban in self.in_force():
            self._waiting.bans.setdefault((ban.jail, ban.id), ban)
        self._waiting.place(self._places)
        self._reopen()

    def _write(self, now: float) -> None:
        with self._transaction():
            if self._waiting.pardoned:
                self._swept = (b"", b"")  # their evidence is left to sweep()
            self._waiting.write(self._connection, now, self.most_matches)
            self.memory.write(self._connection, now)

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

    @contextmanager
    def _writing(self, what: str) -> Generator[None]:
        """A transaction of its own, for work that may be left undone."""
        try:
            with self._transaction():
                yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot {what}: {error} ({file.remedy(error)})") from error

    @contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: cannot read the database: {error} ({file.remedy(error)})") from error
