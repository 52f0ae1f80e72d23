"""From lines to sightings: which of them a jail's failregex are found in, and the time that they count for.

There are two ways, and they agree on every line. The plain one takes a line at a time. The other judges a whole stretch at once
(``matching.fused``), where there is a stretch, the filter can be fused, and its source is locked to dates that are looked for from
the line's begin on; a line that is strange to it (no such date, characters outside ASCII, too hard) goes the plain way in its turn.

A line that only says that a session is over is no sighting, unless the session has failures that nobody has been blamed for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

from banish.lines.clock import Clock
from banish.lines.datepattern import Template
from banish.lines.detector import SECONDS, UNKNOWN
from banish.lines.stretch import Stretch, Suspects
from banish.matching.filter import Filter, Sighting
from banish.matching.fused.program import Program, program
from banish.model import Event, Line

WORTHWHILE = 400
"""Bytes from which on a stretch is judged at once; some four lines. Fewer would not be faster."""

Seen = tuple[Sighting, Line | None, float]
"""What was found, its line if that states no time, and the time to count it for."""


class Sightings:
    """The way to sightings for one jail: its *filter* and its *clock*."""

    def __init__(self, judge: Filter, clock: Clock) -> None:
        self._filter = judge
        self._clock = clock
        self._template: Template | None = None
        self._found: Program | None = None
        """What judges stretches whose dates `_template` finds."""

    def of(self, lines: Iterable[Line], now: float, events: list[Event], *, live: bool) -> Iterator[Seen]:
        """Yield what is found in *lines*, in their order; what the clock has to say goes to *events*."""
        if isinstance(lines, Stretch):
            fused = self.program(lines) if len(lines.data) >= WORTHWHILE else None
            if fused is not None and lines.template is not None:
                return self._fused(lines, lines.template, fused, now, events, live=live)
            return self._plain(lines, now, events, lines.suspects or repeat(None), live=live)
        return self._plain(lines, now, events, live=live)

    def program(self, stretch: Stretch) -> Program | None:
        """Return what judges *stretch* at once; None when nothing does."""
        template = stretch.template
        if template is None or not template.whole or not stretch.reader.bytewise or not stretch.data.endswith(b"\n"):
            return None
        if template is not self._template:
            found = program(self._filter, template.regex)
            self._template, self._found = template, found if isinstance(found, Program) else None
        return self._found

    def _plain(
        self,
        lines: Iterable[Line],
        now: float,
        events: list[Event],
        suspects: Iterable[Suspects] = repeat(None),
        *,
        live: bool,
    ) -> Iterator[Seen]:
        find, usual = self._filter.find, self._clock.usual
        for line, suspected in zip(lines, suspects, strict=False):
            at = None if line.at is None else usual(line.at, now, live=live)
            judged = line
            if at is None:
                timing = self._clock.judge(line, now, live=live)
                events += timing.notices
                at, judged = timing.at, timing.line(line)
            if at is None or suspected == ():
                continue
            found = find(judged, suspected)
            if isinstance(found, Sighting) and not self._is_farewell(found.fields, at):
                yield found, line if line.at is None else None, at

    def _is_farewell(self, fields: Mapping[str, Any], at: float) -> bool:
        """Tell whether a line is mere news that ends a session, and leaves it at that."""
        mark = fields.get
        session, ends, news = mark("mlfid"), mark("mlfforget"), mark("nofail") or mark("mlfgained")
        return bool(ends and news and session is not None) and self._filter.farewell(str(session), at, mark("user"))

    def _fused(
        self, stretch: Stretch, template: Template, fused: Program, now: float, events: list[Event], *, live: bool
    ) -> Iterator[Seen]:
        detector, clock, seconds = stretch.reader.detector, self._clock, SECONDS.get
        marks, ends = fused.marks, self._filter.farewell
        ignores = bool(self._filter.ignoreregex)
        index = -1
        last: str | None = None
        at: float | None = None
        # Most dates differ from the last one in their seconds: no more is asked of them than that they lie between these times.
        begin, begins_at, tail, like = UNKNOWN
        cut = stop = 0
        early, late = clock.span(now, live=live)
        for rows, place in fused.chunks(stretch.data):
            for row in rows:
                index += 1
                meaning = marks[row[0]]
                date = row[place] if meaning is not None else ""
                if date == last:
                    pass  # lines of one second have one time
                elif (
                    date[:cut] == begin
                    and (second := seconds(date[cut:stop])) is not None
                    and early <= begins_at + second < late
                    and (date[stop:] == tail or like(date[stop:]))
                ):
                    last = date
                    clock.last_at = dated_at = begins_at + second
                    at = dated_at if dated_at < now else now
                else:
                    moment = detector.moment(template, date, row[-1], now) if date else None
                    if moment is None:
                        last = None
                        line = stretch.line(index)
                        if line is None:
                            yield from self._plain(stretch.lines[index:], now, events, live=live)
                            return
                        yield from self._plain((line,), now, events, live=live)
                        continue
                    last = date
                    stated, (begin, begins_at, tail, like) = moment
                    cut = len(begin)
                    stop = cut + 2
                    at = clock.usual(stated, now, live=live)
                    if at is None:
                        timing = clock.judge(Line(row[-1], fused.message(row, date), stated), now, live=live)
                        events += timing.notices
                        at = timing.at
                if meaning is None or at is None:
                    continue
                found, farewell = meaning
                if found is None:
                    continue
                if ignores and not isinstance(self._filter.find(Line(row[-1], fused.message(row, date), at)), Sighting):
                    continue
                if farewell is None:
                    yield found(row), None, at
                elif farewell:
                    session, user = farewell
                    if not ends(row[session], at, row[user] if user else None):
                        yield found(row), None, at
                elif not self._is_farewell((sighting := found(row)).fields, at):
                    yield sighting, None, at
