"""What the places of fields in one journal file mean: which jails an entry concerns, and the words before its message.

Found out once for each field and each combination of those that matter; an entry with the same ones again means the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple

from banish.lines.entries import MESSAGE, PREFIX, SINCE_START, STATED, number, prefix
from banish.sources.journalfile import JournalFile
from banish.sources.tape import Routing, T

_REMEMBERED = 1 << 12
"""Places of one file that are remembered, and combinations of them; all are forgotten when there are more."""
_SHORT = 1 << 10
"""Bytes of a field up to which it is remembered."""
_OF_ENTRIES = (MESSAGE, STATED, SINCE_START)
"""Fields that are another with nearly each entry."""
Groups = tuple[tuple[tuple[bytes, ...], ...], ...]
"""Alternatives; of each, terms by field: one of each must be met."""


_Field = tuple[bytes, bytes, bool]
"""Name, value, and whether it decides: it has a say in where an entry goes, or stands before the message."""


class Meaning(NamedTuple, Generic[T]):
    """What the fields of an entry that decide come to."""

    routes: tuple[T, ...]
    before: bytes
    kernel: bool
    """See ``entries.prefix``."""


class Said(NamedTuple, Generic[T]):
    """What an entry says."""

    meaning: Meaning[T]
    message: bytes
    stated: int | None
    since_start: int | None
    """Both in microseconds."""


class Vocabulary(Generic[T]):
    """What the places of one file mean, as far as it matters for the router, the match and the line."""

    def __init__(self, file: JournalFile, groups: Groups, router: Routing[T]) -> None:
        self.router = router
        self.wanted: set[int] = set()
        """Where the terms of the match stand."""
        self.alike: dict[bytes, Meaning[T] | None] = {}
        """Entries that can be read by ``JournalFile.alike``; None: those that cannot."""
        self._file = file
        self._groups = groups
        self._terms = frozenset(term for group in groups for terms in group for term in terms)
        self._routing = {*router.fields, *(term.partition(b"=")[0] for term in self._terms)}
        self._deciding = {*PREFIX, *self._routing}
        self._plain = self._deciding.isdisjoint(_OF_ENTRIES)
        self._missing = {term: file.bucket(term) for term in self._terms}
        self._places: dict[bytes, int] = {}
        self._leading: Sequence[int] | None = None
        self._fields: dict[int, _Field] = {}
        self._idle: set[int] = set()
        """Fields that do not matter."""
        self._known: dict[tuple[int, ...], Meaning[T]] = {}
        self._routes: dict[tuple[_Field, ...], tuple[T, ...]] = {}

    def look(self) -> Sequence[int] | None:
        """Look for the terms that were in no entry so far; return fields of which an entry that is wanted has one at least.

        None when every entry is wanted.
        """
        for term, bucket in tuple(self._missing.items()):
            at = self._file.find(term, bucket)
            if at:
                del self._missing[term]
                self._places[term] = at
                self.wanted.add(at)
                self._leading = None
        if self._groups and self._leading is None:
            self._leading = self._lead()
        return self._leading

    def _lead(self) -> Sequence[int]:
        """Of each alternative, the field with the fewest entries is as good as all: every one must be met."""
        found: set[int] = set()
        for group in self._groups:
            fields = [[self._places[term] for term in field if term in self._places] for field in group]
            if all(fields):
                found.update(min(fields, key=lambda places: sum(map(self._file.entries_with, places))))
        return tuple(found)

    def read(self, items: tuple[int, ...], at: int, new: int) -> Said[T]:
        """Return what the entry at *at* says, whose fields are at *items*; those at *new* and beyond had not been there before."""
        idle, fields = self._idle, self._fields
        key: list[int] = []
        deciding: list[_Field] = []
        message, stated, since = None, None, None
        message_at = stated_at = 0
        for item in [item for item in items if item not in idle]:
            field = fields.get(item) or self._field(item, new=item >= new)
            name, value, decides = field
            if decides:
                key.append(item)
                deciding.append(field)
            if name == MESSAGE:
                message_at = item if message is None else 0
                message = value if message is None else message
            elif name == STATED:
                stated, stated_at = number(value), item
            elif name == SINCE_START:
                since = number(value)
        known = tuple(key)
        meaning = self._known.get(known)
        if meaning is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[known] = meaning = self._find(deciding)
        if message_at and stated_at and self._plain:
            self._note(self._file.places_but(at, items.index(message_at), items.index(stated_at)), meaning)
        return Said(meaning, message or b"", stated, since)

    def _note(self, places: bytes, meaning: Meaning[T]) -> None:
        """Let entries with fields at *places*, beside their message and time, be read in one go."""
        if not places:
            return
        if len(self.alike) >= _REMEMBERED:
            self.alike.clear()
        self.alike[places] = meaning if meaning.routes and not meaning.kernel else None

    def _field(self, at: int, *, new: bool = False) -> _Field:
        name, _, value = self._file.value(at).partition(b"=")
        decides = name in self._deciding
        field = (name, value, decides)
        if not decides and new:
            return field  # it is hardly met again
        if len(self._fields) + len(self._idle) >= _REMEMBERED:
            self._fields.clear()
            self._idle.clear()
        if not decides and name not in _OF_ENTRIES:
            self._idle.add(at)
        elif len(value) <= _SHORT:
            self._fields[at] = field
        return field

    def _find(self, fields: Sequence[_Field]) -> Meaning[T]:
        words = {name: value for name, value, _ in reversed(fields)}  # the first of several counts
        routing = tuple([field for field in fields if field[0] in self._routing])
        routes = self._routes.get(routing)
        if routes is None:
            routes = self._route(routing)
            if len(self._routes) >= _REMEMBERED:
                self._routes.clear()
            if all(len(value) <= _SHORT for _, value, _ in routing):
                self._routes[routing] = routes
        return Meaning(routes, *prefix(words))

    def _route(self, fields: Sequence[_Field]) -> tuple[T, ...]:
        terms = self._terms.intersection(name + b"=" + value for name, value, _ in fields)
        met = not self._groups or any(
            all(any(term in terms for term in alternatives) for alternatives in group) for group in self._groups
        )
        return self.router.routes(_Values(fields)) if met else ()


class _Values:
    def __init__(self, fields: Sequence[_Field]) -> None:
        self._fields = fields

    def get(self, field: bytes) -> bytes | None:
        return next(iter(self.every(field)), None)

    def every(self, field: bytes) -> Sequence[bytes]:
        return [value for name, value, _ in self._fields if name == field]
