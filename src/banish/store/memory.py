"""What the heart knows beyond its bans, kept with them: counters of failures, sessions, where dates stood. Table ``memory``.

One side speaks *books*: tables in memory whose entries are plain values with a key (``failures.window``, ``matching.sessions``,
``notes``). The other is a row for each commit and book with the entries that changed since the last one. Nothing is done for a
line; an entry that changed costs some two microseconds at the next commit, however often it did.

Rows are added in the order of the commits and never changed. They leave

* when all their entries have aged: failures that count no more;
* when most of what a book has written is out of date, or its rows are too many: the entries of the oldest rows that still hold
  are written once more, behind all others, some at a time.

The law: what is read back is the state of some commit, whole. While the database cannot be written nothing is noted down, and the
first commit that succeeds writes every book anew. A row that is damaged costs its own entries only.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, NoReturn, Protocol

from banish.store import rows

Entry = tuple[Any, ...]
"""Its key first, then the time it ages by, then whatever belongs to it. The key alone says that there is no such entry any more."""

Name = tuple[str, str]
"""The kind of a book, and the jail it belongs to (empty: none)."""

SLACK = 1000
"""Entries that may be out of date in any book, and rows it may have, before old ones are written again."""
FACTOR = 3
"""How many times as many entries as it holds a book may have in the database."""
SMALL = 500
"""Entries up to which a book is written whole rather than its old rows one by one."""
AT_ONCE = 2000
"""Entries of old rows that are looked at in one commit."""

ALL_ROWS = "SELECT number, kind, jail, at, last_at, entries FROM memory ORDER BY number"
TABLES = (ALL_ROWS, "SELECT body FROM memory")
"""What must be there for a database to be whole."""
_BODY = "SELECT body FROM memory WHERE number = ?"
_ADD = """
    INSERT INTO memory (number, kind, jail, at, last_at, entries, body) VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?, ?)"""
_DROP = "DELETE FROM memory WHERE number = ?"


class Book(Protocol):
    """A table whose entries are kept."""

    changed: set[Any] | None
    """Keys of entries that changed; None: nobody takes note of it."""

    @property
    def size(self) -> int:
        """How many entries there are."""

    @property
    def oldest(self) -> float:
        """What aged at this time or before needs not be kept."""

    def keys(self) -> Iterable[Any]:
        """The key of every entry."""

    def rows(self, keys: Iterable[Any]) -> Iterator[Entry]:
        """Yield the entry of each of *keys*."""

    def recall(self, rows: Iterable[Entry]) -> None:
        """Take in entries, later ones over earlier ones."""


class _Row(NamedTuple):
    number: int
    at: float
    last_at: float
    entries: int


class _Shelf:
    """The rows of one book, and the book if somebody writes it."""

    def __init__(self) -> None:
        self.rows: deque[_Row] = deque()
        self.entries = 0
        self.book: Book | None = None
        self.whole = False
        """Everything must be written at the next commit: what changed is not known."""

    def add(self, row: _Row) -> None:
        self.rows.append(row)
        self.entries += row.entries

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.entries -= self.rows.popleft().entries


class _Plan(NamedTuple):
    """What a commit does to a book: leave out its first *dropped* rows, add *row*."""

    shelf: _Shelf
    dropped: int
    row: _Row | None


class Memory:
    """The books of one database. ``index`` first, then ``enter`` each book; ``write`` within every transaction."""

    def __init__(self) -> None:
        self._shelves: dict[Name, _Shelf] = {}
        self._next = 1
        self._plans: list[_Plan] = []

    def index(self, connection: sqlite3.Connection) -> None:
        """Find out what rows there are, now or in place of another file; books that are entered already are written anew."""
        books = {name: shelf.book for name, shelf in self._shelves.items() if shelf.book is not None}
        self._shelves = {}
        self._plans = []
        for number, kind, jail, at, last_at, entries in connection.execute(ALL_ROWS):
            if isinstance(kind, str) and isinstance(jail, str) and isinstance(entries, int):
                self._shelf((kind, jail)).add(_Row(number, float(at), float(last_at), entries))
                self._next = number + 1
        for name, book in books.items():
            self._shelf(name).book = book
        self.failed()

    def __contains__(self, name: Name) -> bool:
        """True when there is something to be read of the book *name*."""
        return name in self._shelves and bool(self._shelves[name].rows)

    def recall(self, connection: sqlite3.Connection, name: Name, book: Book) -> None:
        """Read what is known of *book* into it, and keep it from now on."""
        shelf = self._shelf(name)
        damaged = False
        for row in shelf.rows:
            entries = _entries(connection, row.number)
            try:
                book.recall(entries or ())
            except (TypeError, ValueError, IndexError, AttributeError):
                entries = None
            damaged = damaged or entries is None
        self.enter(name, book)
        shelf.whole = damaged

    def enter(self, name: Name, book: Book) -> None:
        """Keep *book* from now on, unread: it is known already, or begins anew, and is written whole."""
        shelf = self._shelf(name)
        if shelf.book is not book:
            shelf.book, shelf.whole = book, True
        if book.changed is None:
            book.changed = set()

    def leave(self, name: Name) -> None:
        """Nobody writes the book *name* any more; what has been committed of it stays for a while (``forget``)."""
        shelf = self._shelves.get(name)
        if shelf is not None:
            shelf.book = None

    @property
    def changed(self) -> bool:
        """True when there is something to be written."""
        return any(shelf.book is not None and (shelf.whole or shelf.book.changed) for shelf in self._shelves.values())

    def write(self, connection: sqlite3.Connection, now: float) -> None:
        """Write what changed, within the transaction that is open; ``written`` or ``failed`` tells what became of it."""
        self._plans = []
        for name, shelf in self._shelves.items():
            if shelf.book is not None and (shelf.whole or shelf.book.changed):
                self._plans.append(self._write(connection, name, shelf, shelf.book, now))

    def written(self) -> None:
        """What was written last has been committed."""
        for shelf, dropped, row in self._plans:
            shelf.drop(dropped)
            if row is not None:
                shelf.add(row)
            shelf.whole = False
            if shelf.book is not None:
                shelf.book.changed = set()
        self._plans = []

    def failed(self) -> None:
        """Nothing can be written: take no note of what changes until everything is written anew."""
        self._plans = []
        for shelf in self._shelves.values():
            shelf.whole = True
            if shelf.book is not None:
                shelf.book.changed = None

    def forget(self, connection: sqlite3.Connection, before: float, limit: int = 1000) -> int:
        """Delete some rows of books that nobody has written since *before*, and return how many."""
        for name, shelf in list(self._shelves.items()):
            if shelf.book is None and (not shelf.rows or shelf.rows[-1].at <= before):
                old = list(islice(shelf.rows, limit))
                connection.executemany(_DROP, [(row.number,) for row in old])
                shelf.drop(len(old))
                if not shelf.rows:
                    del self._shelves[name]
                if old:
                    return len(old)
        return 0

    def _shelf(self, name: Name) -> _Shelf:
        return self._shelves.setdefault(name, _Shelf())

    def _write(self, connection: sqlite3.Connection, name: Name, shelf: _Shelf, book: Book, now: float) -> _Plan:
        changed = book.changed or set()
        size = book.size
        crowded = shelf.entries + len(changed) > FACTOR * size + SLACK or len(shelf.rows) > SLACK
        # Where most of what changed is gone again, or a small book has grown out of its room, all of it is less work.
        if shelf.whole or len(changed) > size or (crowded and size <= SMALL):
            dropped, entries = len(shelf.rows), [entry for entry in book.rows(book.keys()) if len(entry) > 1]
        else:
            dropped, older = self._outdated(connection, shelf, book, len(changed))
            entries = list(book.rows(changed))
            if dropped == len(shelf.rows):
                entries = [entry for entry in entries if len(entry) > 1]
            if older:  # what is gone needs no word more: the row that told of it leaves
                entries += [entry for entry in book.rows(older - changed) if len(entry) > 1]
        connection.executemany(_DROP, [(row.number,) for row in islice(shelf.rows, dropped)])
        if not entries:
            return _Plan(shelf, dropped, None)
        last_at = max([entry[1] for entry in entries if len(entry) > 1], default=0.0)
        if dropped < len(shelf.rows):  # rows leave in their order: or an entry that is gone would come back
            last_at = max(last_at, shelf.rows[-1].last_at)
        row = _Row(self._next, now, last_at, len(entries))
        self._next += 1
        body = pickle.dumps(entries, 5)
        connection.execute(_ADD, (row.number, name[0], rows.text(name[1]), now, last_at, len(entries), body))
        return _Plan(shelf, dropped, row)

    def _outdated(self, connection: sqlite3.Connection, shelf: _Shelf, book: Book, more: int) -> tuple[int, set[Any]]:
        """Return how many of the first rows may leave, and the keys in them that may still hold."""
        dropped, older, looked_at, left = 0, set[Any](), 0, shelf.entries + more
        oldest, allowed = book.oldest, FACTOR * book.size + SLACK
        for row in shelf.rows:
            if row.last_at > oldest:
                if left <= allowed and len(shelf.rows) - dropped <= SLACK:
                    break
                if looked_at and looked_at + row.entries > AT_ONCE:
                    break
                looked_at += row.entries
                older |= {entry[0] for entry in _entries(connection, row.number) or ()}
            left -= row.entries
            dropped += 1
        return dropped, older


class _Plain(pickle.Unpickler):
    """Reads plain values and nothing else, whoever has written the file."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def _entries(connection: sqlite3.Connection, number: int) -> list[Entry] | None:
    """Return the entries of a row; None when it is damaged."""
    found = connection.execute(_BODY, (number,)).fetchone()
    try:
        entries = _Plain(io.BytesIO(found[0])).load()
    except Exception:  # noqa: BLE001 - bytes that somebody else may have chosen: pickle raises what it likes
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, tuple) and entry for entry in entries):
        return None
    return entries
