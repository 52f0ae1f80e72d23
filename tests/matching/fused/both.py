"""The two ways from a log to sightings, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, NamedTuple
from unittest.mock import patch

from banish import sightings
from banish.lines.clock import Clock
from banish.lines.reader import LineReader, LineSettings
from banish.lines.stretch import Stretch
from banish.matching.filter import Filter, FilterSettings, Sighting
from banish.matching.fused.program import Program
from banish.matching.fused.sight import Row
from banish.model import Event, Line
from banish.sightings import Sightings

NOW = 1_780_000_000.0
"""2026-05-28 20:26:40 UTC."""
DATE = "2026-05-28 20:26:40"

Batch = tuple[bytes, float, bool]
"""What was read, when, and whether live."""


class Way(NamedTuple):
    """What came of a log, and the state that it left behind."""

    seen: list[Any]
    events: list[Event]
    state: Any


class Source:
    """A source that several filters watch; *fused* says which way they judge it."""

    def __init__(self, filters: Sequence[FilterSettings], lines: LineSettings, *, fused: bool) -> None:
        self.reader = LineReader(lines, UTC)
        self.fused = fused
        self.events: list[list[Event]] = [[] for _ in filters]
        self.seen: list[list[Any]] = [[] for _ in filters]
        self.clocks = [Clock("jail", 600.0) for _ in filters]
        self.ways = [Sightings(Filter(each), clock) for each, clock in zip(filters, self.clocks, strict=True)]
        self.plain = 0
        """How many lines went the plain way."""
        for way in self.ways:
            way._filter.find = self._counted(way._filter.find)  # type: ignore[method-assign]

    def _counted(self, find: Any) -> Any:
        def counted(line: Line, suspected: Any = None) -> Any:
            self.plain += 1
            return find(line, suspected)

        return counted

    def feed(self, batches: Iterable[Batch]) -> None:
        for data, now, live in batches:
            stretch = Stretch(data, self.reader, now)
            with patch.object(sightings, "WORTHWHILE", 0 if self.fused else len(data) + 1):
                for way, seen, events in zip(self.ways, self.seen, self.events, strict=True):
                    seen += way.of(stretch, now, events, live=live)

    def results(self) -> list[Way]:
        detector = self.reader.detector
        at_begin = detector.locked is not None and detector.locked.anchored
        state = detector._last, detector._won, None if at_begin else detector._place
        return [
            Way(list(map(_marked, seen)), events, (state, clock.last_at, clock._warned_at))
            for seen, events, clock in zip(self.seen, self.events, self.clocks, strict=True)
        ]


def rows(program: Program, data: bytes) -> list[tuple[Row, str]]:
    """Return the rows of *data*, each with its date; an empty one where the line has none."""
    return [
        (row, "" if program.marks[row[0]] is None else row[place])
        for chunk, place in program.chunks(data)
        for row in chunk
    ]


def _marked(seen: Any) -> Any:
    """Return *seen* without the text of marks, which nobody reads."""
    (regex, fields, lines), line, at = seen
    marks = {name: bool(text) for name, text in fields.items() if name in ("nofail", "mlfgained", "mlfforget")}
    return Sighting(regex, fields | marks, lines), line, at


def both(
    filters: FilterSettings | Sequence[FilterSettings],
    batches: Sequence[Batch],
    datepattern: tuple[str, ...] = (),
    **lines: Any,
) -> tuple[Source, Source]:
    """Feed *batches* both ways; return (plain, fused) sources after asserting that they agree in everything."""
    settings = LineSettings(datepattern, **lines)
    every = [filters] if isinstance(filters, FilterSettings) else list(filters)
    plain, fused = (Source(every, settings, fused=way) for way in (False, True))
    for source in (plain, fused):
        source.feed(batches)
    for one, other in zip(plain.results(), fused.results(), strict=True):
        assert other.seen == one.seen
        # The same fields in the same order, which is how they are shown.
        assert [list(seen[0].fields) for seen in other.seen] == [list(seen[0].fields) for seen in one.seen]
        assert other == one
    return plain, fused


def log(*messages: str, date: str = DATE) -> bytes:
    """Return a log of *messages*, each behind *date*; the first line only tells the source which date to expect."""
    return "".join(f"{date}{message}\n" for message in messages).encode()


LOCK: Batch = (log(" first"), NOW, True)
"""A batch that shows the source what dates to expect."""
