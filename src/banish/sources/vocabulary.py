"""What the places of fields in one journal file mean: which jails an entry concerns, and the words before its message.

Found out once for each combination of places; an entry with the same ones again means the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple

from banish.lines.entries import number, prefix
from banish.sources.journalfile import JournalFile
from banish.sources.tape import Entry, T

_REMEMBERED = 1 << 12
"""Places of one file whose meaning is remembered, and combinations of them; all are forgotten when there are more."""
_SHORT = 1 << 10
"""Bytes of a field up to which it is remembered."""
Groups = tuple[tuple[tuple[bytes, ...], ...], ...]
"""Alternatives; of each, terms by field: one of each must be met."""


class Meaning(NamedTuple, Generic[T]):
    """What some of the fields of an entry come to."""

    routes: tuple[T, ...]
    before: bytes
    kernel: bool
    """See ``entries.prefix``."""
    message: bytes | None
    stated: int | None
    since_start: int | None


class Vocabulary(Generic[T]):
    """What the places of one file mean, as far as it matters for *routes*, the match and the line."""

    def __init__(
        self,
        file: JournalFile,
        groups: Groups,
        terms: tuple[bytes, ...],
        routes: Callable[[Entry], tuple[T, ...]],
    ) -> None:
        self.routes = routes
        self.wanted: set[int] = set()
        """Where the terms of the match stand."""
        self.known: dict[tuple[int, ...], Meaning[T]] = {}
        self._file = file
        self._groups = groups
        self._terms = frozenset(terms)
        self._missing = {term: file.bucket(term) for term in terms}
        self._places: dict[bytes, int] = {}
        self._leading: Sequence[int] | None = None
        self._fields: dict[int, bytes] = {}

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

    def meaning(self, items: tuple[int, ...]) -> Meaning[T]:
        """Return what fields at *items* mean, and remember it."""
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        self.known[items] = meaning = self.find(items)
        return meaning

    def find(self, items: tuple[int, ...]) -> Meaning[T]:
        """Return what fields at *items* mean."""
        found = [self._field(at).partition(b"=") for at in items]
        entry = _Values([(field, value) for field, _, value in found])
        terms = {field + equals + value for field, equals, value in found} & self._terms
        met = not self._groups or any(
            all(any(term in terms for term in alternatives) for alternatives in group) for group in self._groups
        )
        before, kernel = prefix(entry)
        get = entry.get
        return Meaning(
            self.routes(entry) if met else (),
            before,
            kernel,
            get(b"MESSAGE"),
            number(get(b"_SOURCE_REALTIME_TIMESTAMP")),
            number(get(b"_SOURCE_MONOTONIC_TIMESTAMP")),
        )

    def _field(self, at: int) -> bytes:
        field = self._fields.get(at)
        if field is None:
            field = self._file.value(at)
            if len(self._fields) >= _REMEMBERED:
                self._fields.clear()
            if len(field) <= _SHORT:
                self._fields[at] = field
        return field


class _Values:
    def __init__(self, found: Sequence[tuple[bytes, bytes]]) -> None:
        self._found = found

    def get(self, field: bytes) -> bytes | None:
        return next((value for name, value in self._found if name == field), None)

    def every(self, field: bytes) -> Sequence[bytes]:
        return [value for name, value in self._found if name == field]
