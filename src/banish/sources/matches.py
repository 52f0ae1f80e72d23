"""What ``journalmatch`` asks of the journal, and which of several matches an entry meets.

As sd-journal has it (sd_journal_add_match(3)): of terms for one field any must hold, of terms for different fields all, and ``+``
stands between alternatives; so do the lines of ``journalmatch``. A field that an entry has several times holds any of its values.

One handle reads the journal for all matches together, and every entry that it returns meets at least one. Which ones is found out
from the few fields that occur in the matches; the answer for values that were met before is remembered.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from banish.errors import ConfigError, Problem
from banish.sources.tape import Entry, JournalOptions

Group = tuple[tuple[bytes, frozenset[bytes]], ...]
"""Fields, each with the values of which it must have one."""

_FIELD = re.compile(r"[A-Z_][A-Z0-9_]*=.*", re.DOTALL)
_REMEMBERED = 4096
"""Combinations of values whose matches are remembered; all are forgotten when there are more."""

T = TypeVar("T")


class Match:
    """One ``journalmatch``: its lines, as *alternatives*. None at all is met by every entry. Raises ConfigError."""

    def __init__(self, alternatives: Iterable[str] = ()) -> None:
        groups: list[list[str]] = []
        for text in alternatives:
            reason, terms = _terms(text)
            if reason:
                remedy = "write FIELD=value terms, and + between alternatives: _SYSTEMD_UNIT=ssh.service + _COMM=sshd"
                raise ConfigError(Problem(reason, remedy, option="journalmatch", value=text))
            groups += [list(group) for plus, group in itertools.groupby(terms, "+".__eq__) if not plus]
        self.groups = tuple(tuple(term.encode("utf-8", "surrogateescape") for term in group) for group in groups)
        """Alternatives, each a list of terms."""
        self.text = " + ".join(" ".join(group) for group in groups)
        """As fail2ban shows it; empty when every entry is met."""

    def wanted(self) -> tuple[Group, ...]:
        """Return the alternatives by field."""
        return tuple(_by_field(group) for group in self.groups)


def _terms(text: str) -> tuple[str, list[str]]:
    """Return what is wrong with *text* (empty: nothing), and its terms."""
    try:
        terms = shlex.split(text)
    except ValueError as error:
        return f"cannot be taken apart: {str(error).lower()}", []
    plus = [term == "+" for term in terms]
    if plus[:1] == [True] or plus[-1:] == [True] or any(a and b for a, b in itertools.pairwise(plus)):
        return "a + must stand between two terms", []
    wrong = next((term for term in terms if term != "+" and not _FIELD.fullmatch(term)), None)
    return ("" if wrong is None else f"{wrong!r} is no term of the journal"), terms


def _by_field(terms: Iterable[bytes]) -> Group:
    fields: dict[bytes, set[bytes]] = {}
    for term in terms:
        field, _, value = term.partition(b"=")
        fields.setdefault(field, set()).add(value)
    return tuple((field, frozenset(values)) for field, values in fields.items())


@dataclass(frozen=True, slots=True)
class Watch:
    """What a jail wants of the journal."""

    options: JournalOptions
    journalmatch: tuple[str, ...] = ()
    """As in ``journalmatch``; a ConfigError comes of it when it is none."""

    @property
    def name(self) -> str:
        text = Match(self.journalmatch).text
        return f"{self.options} {text}" if text else str(self.options)


class Router(Generic[T]):
    """Tells which of *routes*, each with its match, an entry goes to."""

    def __init__(self, routes: Iterable[tuple[T, Match]]) -> None:
        self._routes = [(route, match.wanted()) for route, match in routes]
        self._all = tuple(route for route, _ in self._routes)
        self._certain = len(self._routes) == 1  # the journal has looked at the fields already
        named = {field for _, groups in self._routes for group in groups for field, _ in group}
        self.fields = () if self._certain else tuple(sorted(named))
        """What `routes` asks an entry for."""
        self._known: dict[tuple[tuple[bytes, ...] | bytes | None, ...], tuple[T, ...]] = {}

    def routes(self, entry: Entry) -> tuple[T, ...]:
        """Return the routes of *entry*, which meets one match at least."""
        if self._certain:
            return self._all
        # Fields with an underscore are the journal's own, and it gives each once; the others are the client's.
        key = tuple(entry.get(field) if field.startswith(b"_") else tuple(entry.every(field)) for field in self.fields)
        found = self._known.get(key)
        if found is None:
            values = {
                field: frozenset(value if isinstance(value, tuple) else () if value is None else (value,))
                for field, value in zip(self.fields, key, strict=True)
            }
            found = self._find(values) or self._find({field: frozenset(entry.every(field)) for field in self.fields})
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found

    def _find(self, values: dict[bytes, frozenset[bytes]]) -> tuple[T, ...]:
        return tuple(
            route
            for route, groups in self._routes
            if not groups or any(all(values[field] & wanted for field, wanted in group) for group in groups)
        )
