"""Finds the date in a line.

Templates tied to the line's begin come first, in their order, but those that have won before all others (the more often the
earlier; a run of lines counts once); the first that fits wins. Then those that may stand anywhere: the one that fits furthest to
the left wins, and of two at the same place the one that won last time, else the earlier in the list.

Winning has an effect, as it has in fail2ban: the last winner is tried before all others, and it is taken at once if it fits in
the same place as last time between the same characters, or is tied to the line's begin. So a log that has shown itself to write
month-day-year is not read as day-month-year on the first twelve days of a month.

The search may be broken off at any point by an exception (see ``patience``): what is remembered is changed only when it is over,
and the last winner last of all.

A detector belongs to one source. It also remembers what date texts mean, for as long as that holds (see ``timestamps``); the
lines of one second cost one conversion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeVar

from banish.lines import timestamps, zones
from banish.lines.cuts import habits
from banish.lines.datepattern import Template, begins, compile_patterns, places
from banish.patience import LONG, GivenUp, Patience

_REMEMBERED = 256  # all are forgotten when there are more, since logs go forward
_Key = str | tuple[str | None, ...]
_AnyKey = TypeVar("_AnyKey", bound=Hashable)
SECONDS = {f"{second:02}": second for second in range(60)}
_CLOCK = re.compile("[0-9]:[0-9]{1,2}:[0-9]")
_STEP = 4096
_OVERLAP = 256
"""Characters that no default format exceeds, with all that it looks at before and behind."""
_Place = tuple[int, int, str, str]

Habits = tuple[str, _Place, tuple[tuple[str, int], ...]]
"""What a detector has learnt: the last winner, where it stood, and how often those at the begin have won; expressions by their text."""


class Found(NamedTuple):
    """A date in a line: ``text[start:end]`` is what is cut out."""

    at: float | None
    """Unix seconds; None when the text has a date's form but is none (February 30)."""
    start: int
    end: int
    template: Template


class Minute(NamedTuple):
    """What all dates of one minute have in common: they are *begin*, two digits (`SECONDS`), and *tail* or what is *like* it."""

    begin: str
    at: float
    """Unix seconds at second 0; a fraction of a second counts nothing."""
    tail: str
    like: Callable[[str], object]
    """Tells (true or false) whether a text is *tail* but for the digits of its fraction."""


def _never(_: str) -> None:
    """Nothing is like a tail without a fraction."""


UNKNOWN = Minute("", 0.0, "\n", _never)
"""The minute of no date."""


@lru_cache(maxsize=64)
def _alike(before: str, digits: int, behind: str) -> Callable[[str], object]:
    return re.compile(f"{re.escape(before)}[0-9]{{{digits}}}{re.escape(behind)}").fullmatch


class _Memory:
    """What the texts of one template mean, by the second and by the minute.

    *regular*: where the template takes a text, it takes it with other seconds too, and finds everything else where it was.
    """

    def __init__(self, *, regular: bool) -> None:
        self.texts: dict[_Key, timestamps.Reading] = {}
        self.minutes: dict[_Key, timestamps.Reading] = {}
        self._regular = regular
        self._shape = (0, 0, 0, 0)
        """Of the texts that are looked up without their seconds: how long they are, where the seconds stand, and the fraction."""
        self._shaped: dict[tuple[str, str, str], timestamps.Reading] = {}
        """Their minutes, by what stands before the seconds, behind them, and behind the fraction."""

    def learn(self, match: re.Match[str], minute: timestamps.Reading) -> None:
        """Remember that *minute* is that of *match*, for texts that have nothing else but other seconds."""
        groups = match.re.groupindex
        if not self._regular or "S" not in groups or "exact" in groups:
            return
        origin, end = match.span(1)
        second, after = match.span("S")
        fraction = match.span("f") if "f" in groups and match["f"] else (after, after)
        if after - second != 2 or fraction[0] < after or not match[1].isascii():
            return
        shape = end - origin, second - origin, fraction[0] - origin, fraction[1] - origin
        if shape != self._shape:
            self._shape = shape
            self._shaped.clear()
        date = match[1]
        self.keep(self._shaped, (date[: shape[1]], date[shape[1] + 2 : shape[2]], date[shape[3] :]), minute)

    def recall(self, date: str, now: float) -> float | None:
        """Return the time of *date*, the whole text of a date, if its minute is known and it has the usual shape."""
        length, second, fraction, rest = self._shape
        if len(date) != length:
            return None
        minute = self._shaped.get((date[:second], date[second + 2 : fraction], date[rest:]))
        if minute is None or minute.at is None or not minute.since <= now < minute.until:
            return None
        seconds = date[second : second + 2]
        if seconds not in SECONDS or not (rest == fraction or (date[fraction:rest].isdigit() and date.isascii())):
            return None
        return minute.at + SECONDS[seconds]

    def minute(self, date: str, now: float) -> Minute | None:
        """Return the minute of *date*; None when it is not known."""
        at = self.recall(date, now)
        if at is None:
            return None
        _, second, fraction, rest = self._shape
        begin, tail = date[:second], date[second + 2 :]
        varying = _alike(date[second + 2 : fraction], rest - fraction, date[rest:]) if rest > fraction else _never
        return Minute(begin, at - SECONDS[date[second : second + 2]], tail, varying)

    @staticmethod
    def keep(readings: dict[_AnyKey, timestamps.Reading], key: _AnyKey, reading: timestamps.Reading) -> None:
        if len(readings) >= _REMEMBERED:
            readings.clear()
        readings[key] = reading


class DateDetector:
    """Finds dates by *patterns* (see ``datepattern``; none: the default formats).

    *default_timezone* is ``logtimezone``: it holds for dates without a zone. If it is empty, *zone* does, and if that is None, the
    machine's (see ``zones``). Raises ConfigError for a pattern or zone that cannot be used.
    """

    def __init__(self, patterns: Sequence[str] = (), zone: tzinfo | None = None, default_timezone: str = "") -> None:
        self.templates = compile_patterns(patterns)
        self.calm = all(template.known for template in self.templates)
        """True when no line can take long: all templates are default formats, and how much they look at is bounded."""
        self._zone = zones.configured(default_timezone) if default_timezone else zone
        self._floating = tuple(template for template in self.templates if not template.anchored)
        self._gates: dict[bool, re.Pattern[str]] = {}  # by whether the line has a clock in it
        if self._floating and all(template.known for template in self._floating):
            self._gates[True] = places(self._floating)
            self._gates[False] = places(tuple(template for template in self._floating if not template.clock))
        self._anchored_templates = [template for template in self.templates if template.anchored]
        self._begins = None
        if self._anchored_templates and all(template.known for template in self._anchored_templates):
            self._begins = begins(tuple(self._anchored_templates))
        self._won: dict[Template, int] = {}
        self._last: Template | None = None
        self._place: _Place = (0, 0, "", "")
        self._memories: dict[Template, _Memory] = {}

    @property
    def locked(self) -> Template | None:
        """The template that won last, and is tried before all others; None before there was a date."""
        return self._last

    @property
    def habits(self) -> Habits | None:
        """What has been learnt of the source so far; None before there was a date."""
        if self._last is None:
            return None
        won = tuple((template.regex.pattern, count) for template, count in self._won.items())
        return self._last.regex.pattern, self._place, won

    def recall(self, habits: Habits) -> None:
        """Go on from the `habits` of another detector; they say nothing to one that has not the same last winner."""
        known = {template.regex.pattern: template for template in self.templates}
        last, place, won = habits
        if last not in known:
            return
        self._place = place
        self._won = {known[pattern]: count for pattern, count in won if pattern in known}
        self._order()
        self._remember(known[last])
        self._last = known[last]

    def find(self, text: str, now: float) -> Found | None:
        """Return the date in *text*; None when there is none. *now* (Unix seconds) completes dates without year or day."""
        template, match = self._last, None
        if template is not None:
            match = template.regex.match(text) if template.anchored else self._in_same_place(template, text)
        if template is None or match is None:
            template, match = self._search(text)
            if template is None or match is None:
                return None
            self._won_by(template, match)
        return self._found(template, match, now)

    def find_apart(self, text: str, now: float, patience: Patience) -> Found | None:
        """Do the same for a long *text*: the search is somebody else's. Raises GivenUp when that takes too long."""
        order = tuple(map(self.templates.index, self._anchored_templates))
        last = -1 if self._last is None else self.templates.index(self._last)
        told = patience.apart(self._trial, (text, last, self._place, order), text)
        if len(told) < 3:
            raise GivenUp
        index, start, searched = told
        if index < 0:
            return None
        template = self.templates[index]
        match = template.regex.match(text, start)
        if match is None:
            return None
        if searched:
            self._won_by(template, match)
        return self._found(template, match, now)

    def _trial(self, about: tuple[str, int, _Place, tuple[int, ...]], tell: Callable[[int], None]) -> None:
        text, last, self._place, order = about
        self._anchored_templates = [self.templates[index] for index in order]
        self._last = template = None if last < 0 else self.templates[last]
        match = None
        if template is not None:
            match = template.regex.match(text) if template.anchored else self._in_same_place(template, text)
        searched = match is None
        if searched:
            template, match = self._search(text)
        tell(-1 if template is None or match is None else self.templates.index(template))
        tell(0 if match is None else match.start())
        tell(searched)

    def _found(self, template: Template, match: re.Match[str], now: float) -> Found:
        start, end = match.span(1)
        text = match.string
        if start < 0:  # the pattern's group is optional and took no part: nothing to cut
            start = end = match.start()
        elif start == end:  # ``()`` says that such a line has no date of its own, whatever else looks like one
            return Found(None, start, end, template)
        memory = self._memories[template]
        if not template.whole:
            return Found(self._reading(memory, template, match, match.groups(), now).at, start, end, template)
        date = text[start:end]
        at = memory.recall(date, now)
        if at is None:
            at = self._reading(memory, template, match, date, now).at
        return Found(at, start, end, template)

    def steady(self, text: str) -> bool:
        """Tell whether `find` would leave the detector as it is: *text* has the date that was expected, or none."""
        last = self._last
        if last is not None and last.anchored and last.regex.match(text) is not None:
            return True
        return self._search(text)[1] is None

    def moment(self, template: Template, date: str, text: str, now: float) -> tuple[float, Minute] | None:
        """Return what `find` says of *text*'s time when it takes *template*, which must be ``whole``; *date* is what it cuts out.

        With the minute that it lies in, `UNKNOWN` where that tells nothing of other dates.
        """
        memory = self._memories[template]
        minute = memory.minute(date, now)
        if minute is not None:
            second = len(minute.begin)
            return minute.at + SECONDS[date[second : second + 2]], minute
        reading = memory.texts.get(date)
        if reading is None or not reading.since <= now < reading.until:
            match = template.regex.match(text)
            if match is None:
                return None
            reading = self._reading(memory, template, match, date, now)
        return None if reading.at is None else (reading.at, memory.minute(date, now) or UNKNOWN)

    def _reading(
        self, memory: _Memory, template: Template, match: re.Match[str], key: _Key, now: float
    ) -> timestamps.Reading:
        reading = memory.texts.get(key)
        if reading is None or not reading.since <= now < reading.until:
            reading = self._read(memory, template, match, now)
            memory.keep(memory.texts, key, reading)
        return reading

    def _in_same_place(self, template: Template, text: str) -> re.Match[str] | None:
        """Match *template* where it matched last time, between the same characters; None when it does not fit there.

        It is not looked at what follows: ``x Jan 23 21:59:59 2005 times`` has no year in a log whose dates have had none.
        """
        start, end, before, behind = self._place
        match = template.regex.search(text, 0, end)
        fits = (
            match is not None
            and (match.start(1), match.end()) == (start, end)
            and (text[start - 1 : start], text[end : end + 1]) == (before, behind)
        )
        return match if fits else None

    def _search(self, text: str) -> tuple[Template | None, re.Match[str] | None]:
        has_clock = _CLOCK.search(text) is not None
        winner, best = self._anchored(text, has_clock=has_clock)
        if best is None:
            winner, best = self._leftmost(text, has_clock=has_clock)
        return winner, best

    def _won_by(self, winner: Template, best: re.Match[str]) -> None:
        self._last = None
        if winner.anchored:
            self._won[winner] = self._won.get(winner, 0) + 1
            self._order()
        self._remember(winner)
        self._place = _place(best)
        self._last = winner

    def _remember(self, template: Template) -> None:
        if template not in self._memories:
            self._memories[template] = _Memory(regular=habits(template).regular)

    def _order(self) -> None:
        anchored = (template for template in self.templates if template.anchored)
        self._anchored_templates = sorted(anchored, key=lambda template: -self._won.get(template, 0))

    def _anchored(self, text: str, *, has_clock: bool) -> tuple[Template | None, re.Match[str] | None]:
        if self._begins is not None and self._begins.match(text) is None:
            return None, None
        for template in self._anchored_templates:
            if (has_clock or not template.clock) and (match := template.regex.match(text)):
                return template, match
        return None, None

    def _leftmost(self, text: str, *, has_clock: bool) -> tuple[Template | None, re.Match[str] | None]:
        """Return the floating template that fits furthest to the left; of several the last winner, else the first."""
        gate = self._gates.get(has_clock)
        if gate is None:
            return self._leftmost_of_all(text)
        place = _next_place(gate, text, 0)
        order = self._floating
        if self._last is not None and not self._last.anchored:
            order = (self._last, *order)  # of several at one place it wins
        while place is not None:
            for template in order:
                if match := template.regex.match(text, place.start()):
                    return template, match
            place = _next_place(gate, text, place.start() + 1)
        return None, None

    def _leftmost_of_all(self, text: str) -> tuple[Template | None, re.Match[str] | None]:
        winner, best = None, None
        for template in self._floating:
            match = template.regex.search(text)
            if match is not None and (best is None or self._wins(template, match, best)):
                winner, best = template, match
        return winner, best

    def _wins(self, template: Template, match: re.Match[str], best: re.Match[str]) -> bool:
        distance = match.start(1) - best.start(1)
        return distance < 0 or (distance == 0 and template is self._last)

    def _read(self, memory: _Memory, template: Template, match: re.Match[str], now: float) -> timestamps.Reading:
        """Read the date in *match*, out of the memory of its minute if that is there."""
        second = _seconds(match) if template.has_seconds else 0
        parts = match.group(*template.parts) if template.parts else ""
        minute = memory.minutes.get(parts)
        if minute is None or not minute.since <= now < minute.until:
            minute = timestamps.read(match.groupdict(), now, self._zone, int(second))
            memory.keep(memory.minutes, parts, minute)
        if template.whole:
            memory.learn(match, minute)
        return minute if minute.at is None else timestamps.Reading(minute.at + second, minute.since, minute.until)


def _next_place(gate: re.Pattern[str], text: str, start: int) -> re.Match[str] | None:
    """Search *text* from *start* on; a long one in steps, between which it can be interrupted."""
    while len(text) - start > LONG:
        place = gate.search(text, start, start + _STEP + _OVERLAP)
        if place is not None and place.start() < start + _STEP:
            return place
        start += _STEP
    return gate.search(text, start)


def _seconds(match: re.Match[str]) -> float:
    try:
        second = int(match["S"] or 0)
        return second + int(match["f"]) / 1e6 if "exact" in match.re.groupindex else second  # (``lines.entries``)
    except ValueError:  # a pattern's own group of that name
        return 0


def _place(match: re.Match[str]) -> tuple[int, int, str, str]:
    """Return where the date begins and where the match ends, and the characters before and behind."""
    start, end = match.start(1), match.end()
    text = match.string
    return start, end, text[start - 1 : start], text[end : end + 1]
