"""From lines to sightings: which of them a jail's failregex are found in, and the time that they count for.

There are two ways, and they agree on every line. The plain one takes a line at a time. The other judges a whole stretch at once
(``matching.fused``), where there is a stretch, the filter can be fused, and its source is locked to a date at the line's begin; a
line that is strange to it (no such date, characters outside ASCII, too hard) goes the plain way in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from banish.lines.clock import Clock
from banish.lines.datepattern import Template
from banish.lines.stretch import Stretch
from banish.matching.filter import Filter, Sighting, Verdict
from banish.matching.fused.program import HARD, Program, program
from banish.model import Event, Line

WORTHWHILE = 400
"""Bytes from which on a stretch is judged at once; some four lines. Fewer would not be faster."""

Find = Callable[[Line], Sighting | Verdict]
Seen = tuple[Sighting, Line | None, float]
"""What was found, its line if that states no time, and the time to count it for."""


class Sightings:
    """The way to sightings for one jail: its *filter* and its *clock*."""

    def __init__(self, judge: Filter, clock: Clock) -> None:
        self._filter = judge
        self._clock = clock
        self.too_hard: Find = judge.find
        """Judges a line on which the expressions would search for very long."""

    def of(self, lines: Iterable[Line], now: float, events: list[Event], *, live: bool) -> Iterator[Seen]:
        """Yield what is found in *lines*, in their order; what the clock has to say goes to *events*."""
        if isinstance(lines, Stretch) and len(lines.data) >= WORTHWHILE:
            template = lines.template
            fused = self._program(lines, template)
            if template is not None and fused is not None:
                return self._fused(lines, template, fused, now, events, live=live)
        return self._plain(lines, self._filter.find, now, events, live=live)

    def _program(self, stretch: Stretch, template: Template | None) -> Program | None:
        if template is None or not template.whole or not stretch.reader.ascii or not stretch.data.endswith(b"\n"):
            return None
        found = program(self._filter, template.regex)
        return found if isinstance(found, Program) else None

    def _plain(
        self, lines: Iterable[Line], find: Find, now: float, events: list[Event], *, live: bool
    ) -> Iterator[Seen]:
        for line in lines:
            timing = self._clock.judge(line, now, live=live)
            events += timing.notices
            if timing.at is None:
                continue
            found = find(timing.line(line))
            if isinstance(found, Sighting):
                yield found, line if line.at is None else None, timing.at

    def _fused(
        self, stretch: Stretch, template: Template, fused: Program, now: float, events: list[Event], *, live: bool
    ) -> Iterator[Seen]:
        time, sight = stretch.reader.detector.time, fused.sight
        ignores = bool(self._filter.ignoreregex)
        index = 0
        last = ""
        at: float | None = None
        for rows in fused.chunks(stretch.data):
            for row in rows:
                index += 1
                date = row[1]
                if date != last or not date:  # lines of one second have one time
                    text, last = row[-1], date
                    stated = time(template, date, text, stretch.now) if date else None
                    if stated is None:
                        last = ""
                        line = stretch.line(index - 1)
                        if line is None:
                            yield from self._plain(
                                stretch.lines[index - 1 :], self._filter.find, now, events, live=live
                            )
                            return
                        find = self.too_hard if row[0] == HARD else self._filter.find
                        yield from self._plain((line,), find, now, events, live=live)
                        continue
                    timing = self._clock.judge(Line(text, text[len(date) :], stated), now, live=live)
                    events += timing.notices
                    at = timing.at
                if at is None or (found := sight.get(row[0])) is None:
                    continue
                if ignores and not isinstance(self._filter.find(Line(row[-1], row[-1][len(date) :], at)), Sighting):
                    continue
                yield found(row), None, at
