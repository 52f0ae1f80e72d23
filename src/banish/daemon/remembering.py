"""What jails know beyond their bans, from one run to the next: counters of failures, sessions, dates, questions that are open.

The law: all of it is committed together with the positions of the sources, between two batches. So what is found after a crash is
the state behind some line of each source, and reading goes on with the line after it.

A question (a name to be resolved, an ``ignorecommand``) that nobody has answered yet is kept too, with its match, and asked again.

Jails and sources that nobody cares for any more are remembered for a day. What cannot be read back counts as never known.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from typing import Any, TypeVar

from banish.addresses import stored
from banish.daemon.assembly import Running
from banish.daemon.timekeeping import Mark
from banish.jail import Jail, Standing
from banish.lines.reader import LineReader, LineSettings
from banish.model import Cursor, Match, Position, Question
from banish.store.database import Store
from banish.store.memory import Book
from banish.store.notes import Notes

KEPT = 86400.0
"""Seconds for which what belongs to no jail or source any more is kept."""

P = TypeVar("P", Position, Cursor)
"""How far a source has been judged."""
_NOTES = ("notes", "")
_ENDED = ("ended",)
_CLOCK = ("clock",)


class Remembering:
    """Keeps in *store* what the jails know that run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._notes = Notes()
        store.recall(_NOTES, self._notes)
        self._jails: dict[str, tuple[Jail, int]] = {}
        """Those that run, with what tells their filter from another."""
        asked = [key[1] for key in self._notes.of("question")]
        self._numbers = count(max(asked, default=0) + 1)
        self._open: dict[int, tuple[Question, int]] = {}
        """Questions by identity, each with its number."""

    # Jails

    def attend(self, running: Mapping[str, Running], now: float) -> None:
        """Keep what the jails of *running* know, and these only; one that has just come goes on where it once stood."""
        for name in self._jails.keys() - running.keys():
            for kind in ("window", "sessions"):
                self._store.memory.leave((kind, name))
        before, self._jails = self._jails, {}
        for name, each in running.items():
            jail = each.jail
            known, filter_ = before.get(name, (None, 0))
            if known is not jail:
                filter_ = zlib.crc32(repr(jail.settings.filter).encode("utf-8", "surrogatepass"))
                if known is None:
                    self._recall(jail, filter_, now)
                else:
                    self._keep("window", jail, jail.window)
                    self._keep("sessions", jail, jail.filter.sessions)
            self._jails[name] = jail, filter_

    def note(self, jails: Iterable[Jail], now: float) -> None:
        """Take note where *jails* stand, which were shown lines since the last time."""
        for jail in jails:
            known, filter_ = self._jails.get(jail.name, (None, 0))
            if known is jail:
                self._notes.put(("jail", jail.name), (filter_, *jail.standing), now)

    def _recall(self, jail: Jail, filter_: int, now: float) -> None:
        self._store.recall(("window", jail.name), jail.window)
        match self._notes.get(("jail", jail.name)):
            case (int(known), (float() | None) as dated_at, tuple(lines)):
                same = known == filter_
                jail.recall(Standing(dated_at, lines if same else ()), now)
            case _:
                same = False
        if same:
            self._store.recall(("sessions", jail.name), jail.filter.sessions)
        else:
            self._keep("sessions", jail, jail.filter.sessions)

    def _keep(self, kind: str, jail: Jail, book: Book) -> None:
        self._store.memory.enter((kind, jail.name), book)

    # Sources

    def judged(self, source: str, readers: Iterable[LineReader], jails: tuple[str, ...], now: float) -> None:
        """Take note that *jails* have judged *source* so far, and what its *readers* have learnt of its dates."""
        self._notes.put(("source", source), jails, now)
        for reader in readers:
            habits = reader.detector.habits
            if habits is not None:
                self._notes.put(_dates(source, reader.settings), habits, now)

    def joined(self, source: str, jails: Collection[str], position: P, now: float) -> dict[str, P | None]:
        """Return those of *jails* that have not judged *source* up to *position* as others have, with where they left off if they did.

        Who has judged it and is not among *jails* leaves off here.
        """
        before = self._notes.get(("source", source))
        if not isinstance(before, tuple):  # nobody has judged anything of it: they all begin here
            self._notes.put(("source", source), tuple(sorted(jails)), now)
            return {}
        for name in set(before).difference(jails):
            self._notes.put(("left", source, name), tuple(position), now)
        new = {}
        for name in set(jails).difference(before):
            left = self._notes.get(("left", source, name))
            known = isinstance(left, tuple) and len(left) == len(position)
            new[name] = position.__class__(*left) if known else None
            self._notes.remove(("left", source, name))
        self._notes.put(("source", source), tuple(sorted(jails)), now)
        return new

    def read_on(self, source: str, reader: LineReader) -> None:
        """Let *reader* know what was learnt of the dates of *source*."""
        match self._notes.get(_dates(source, reader.settings)):
            case (str(last), (int(), int(), str(), str()) as place, tuple(won)):
                reader.detector.recall((last, place, won))

    def relearn(self) -> None:
        """Forget what the dates of sources look like."""
        for key in self._notes.of("dates"):
            self._notes.remove(key)

    # Questions

    def asked(self, question: Question, now: float) -> None:
        """Keep *question* until it is ``answered``."""
        number = next(self._numbers)
        self._open[id(question)] = question, number
        match = question.match
        network = None if match.network is None else bytes(match.network)
        plain = match._replace(network=None, fields={})
        told = (question.kind, question.jail, question.text, tuple(plain), network, dict(match.fields))
        self._notes.put(("question", number), told, now)

    def answered(self, question: Question) -> None:
        """Nobody needs to ask *question* again. One that was not kept is no harm."""
        _, number = self._open.pop(id(question), (question, 0))
        self._notes.remove(("question", number))

    def unanswered(self, jails: Collection[str]) -> list[Question]:
        """Return the questions of *jails* that an earlier run has left open, to be asked again."""
        found = []
        kept = {number for _, number in self._open.values()}
        for key in self._notes.of("question"):
            if key[1] not in kept:
                question = _question(self._notes.get(key))
                if question is None:
                    self._notes.remove(key)
                elif question.jail in jails:
                    self._open[id(question)] = question, key[1]
                    found.append(question)
        return found

    # Time

    def passed(self, now: float, clock: Mark) -> None:
        """Take note that the bans which ended until *now* have been ended, and of the *clock* by which that was."""
        self._notes.put(_ENDED, now, now)
        self._notes.put(_CLOCK, clock, now)

    @property
    def clock(self) -> Any:
        """What ``passed`` was told of the clock; None when that is not known."""
        return self._notes.get(_CLOCK)

    @property
    def ended(self) -> float | None:
        """Until when bans have been ended; None when that is not known."""
        found = self._notes.get(_ENDED)
        return found if isinstance(found, float) else None

    def purge(self, sources: Collection[str], now: float) -> int:
        """Forget what belongs neither to a jail that runs nor to one of *sources* and is a day old; return how much, or some of it.

        Raises StoreError when the database cannot be written.
        """
        before = now - KEPT
        self._notes.forget(before, lambda key: _used(key, self._jails.keys(), sources))
        return self._store.purge_sources(sources, before)


def _used(key: tuple[Any, ...], jails: Collection[str], sources: Collection[str]) -> bool:
    match key:
        case ("jail", name):
            return name in jails
        case ("source" | "dates", source, *_):
            return source in sources
        case ("question", _) | ("left", *_):
            return False
    return True


def _dates(source: str, settings: LineSettings) -> tuple[Any, ...]:
    return "dates", source, settings.datepattern, settings.encoding, settings.timezone


def _question(told: Any) -> Question | None:
    match told:
        case (
            "name" | "command" as kind,
            str(jail),
            str(text),
            tuple(plain),
            (bytes() | None) as network,
            dict(fields),
        ):
            try:
                match_ = Match(*plain)._replace(network=stored(network), fields=fields)
            except TypeError:
                return None
            return Question(kind, jail, text, match_)
    return None
