"""Which time a line counts for: what the line states, or now, or none because it is too old.

While a source is caught up with, lines older than ``findtime`` are passed over. Once it is read live, a line was written just
now whatever it says: when its date is more than a minute off, clocks or zones disagree (or the log is late), and the line is
taken to have happened now. A warning tells of each kind of trouble once a day.

A line without a date has the last known date if that is less than a minute old. Otherwise it happened now when reading live;
while catching up nobody knows how old it is, and it is passed over, unless it has no date by configuration (``{NONE}``, or a
pattern with an empty group such as ``^WARNING:()``).

No line lies in the future: later dates count as now.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from banish import durations
from banish.model import Line, Notice

_TOLERANCE = 60.0
_LATENCY = 55 * durations.MINUTE
"""Delays below an hour, less what a late log may add to a wrong zone, look like latency."""

_TIMING = "Please check a jail for a timing issue. Line with odd timestamp: "


class Timing(NamedTuple):
    at: float | None
    """The time to count the line for (Unix seconds, never after now); None: too old, leave the line out."""
    notices: tuple[Notice, ...] = ()
    borrowed: bool = False
    """*at* is the date of an earlier line."""

    def line(self, line: Line) -> Line:
        """Return *line* as it is judged: where another line's date is taken, what looks like one (February 30) stays in the text."""
        return line._replace(message=line.text) if self.borrowed and not line.timeless else line


class Clock:
    """The clock of one jail. *dated* says whether its lines are expected to have dates (False for ``{NONE}``)."""

    def __init__(self, jail: str, findtime: float, *, dated: bool = True) -> None:
        self.findtime = findtime
        """Seconds; may be changed at any time."""
        self.since, self.until = -math.inf, math.inf
        """Lines that state a time before, or from, are judged by somebody else: the jail changes its source."""
        self._jail = jail
        self._dated = dated
        self.last_at: float | None = None
        """The last date of a line, for those that follow without one."""
        self._warned_at: dict[str, float] = {}
        self._same: tuple[float | None, float, bool, float] | None = None
        """What `_timing` was said of: the lines of one second in one batch have it in common."""
        self._timing = Timing(None)
        self._dated_at = 0.0

    def usual(self, at: float, now: float, *, live: bool) -> float | None:
        """Return the time that a line dated *at* counts for if nothing is odd about it; None: ask ``judge``."""
        if not self.since <= at < self.until or (int(abs(at - now)) > _TOLERANCE if live else at < now - self.findtime):
            return None
        self.last_at = at
        return at if at < now else now

    def span(self, now: float, *, live: bool) -> tuple[float, float]:
        """Return from when on and before when nothing is odd about a date: as `usual`, for all of a batch; who goes by it sets
        `last_at`.
        """
        early = now - (_TOLERANCE if live else self.findtime)
        late = now + _TOLERANCE if live else math.inf
        return max(self.since, early), min(self.until, late)

    def judge(self, line: Line, now: float, *, live: bool) -> Timing:
        """Return the time *line* counts for; *live* as in ``model.Batch``."""
        if line.at is None:
            if self.last_at is not None and self.last_at > now - _TOLERANCE:
                return Timing(min(self.last_at, now), borrowed=True)
            return Timing(now if live or line.timeless or not self._dated else None)
        if not self.since <= line.at < self.until:
            return Timing(None)
        same = (line.at, now, live, self.findtime)
        if same == self._same:
            self.last_at = self._dated_at
            return self._timing
        self._same = None
        notices: tuple[Notice, ...] = ()
        at = line.at
        if live and int(abs(at - now)) > _TOLERANCE:  # in whole seconds, as fail2ban does
            notices = self._odd(line.text, at, now)
            at = now
        self.last_at = at  # of an old line too: what follows it without a date is as old
        if not live and at < now - self.findtime:
            return Timing(None, self._old(line.text, now))
        timing = Timing(at if at < now else now, notices)
        if not notices:
            self._same, self._timing, self._dated_at = same, timing, at
        return timing

    def unknown_date(self, line: Line, now: float) -> tuple[Notice, ...]:
        """Return the warning for a failure found in a line without a valid date; empty when it has one, or was warned of."""
        if line.at is not None or line.timeless or not self._dated or not self._due("undated", now):
            return ()
        return self._warnings(
            f"Found a match but no valid date/time found for '{line.text}'.",
            "Please try setting a custom date pattern (see man page jail.conf(5)).",
        )

    def _odd(self, text: str, at: float, now: float) -> tuple[Notice, ...]:
        if not self._due("odd", now):
            return ()
        side = "before" if at < now else "after"
        trouble = "latency" if 0 <= now - at <= _LATENCY else "timezone"
        return self._warnings(
            f"Detected a log entry {durations.render(abs(now - at))} {side} the current time in operation mode. "
            f"This looks like a {trouble} problem. Treating such entries as if they just happened.",
            _TIMING + text,
        )

    def _old(self, text: str, now: float) -> tuple[Notice, ...]:
        if not self._due("old", now):
            return ()
        return self._warnings(
            f"Ignoring all log entries older than {self.findtime:.0f}s; "
            "these are probably messages generated while fail2ban was not running.",
            _TIMING + text,
        )

    def _due(self, kind: str, now: float) -> bool:
        warned_at = self._warned_at.get(kind)
        if warned_at is not None and 0 <= now - warned_at < durations.DAY:
            return False
        self._warned_at[kind] = now
        return True

    def _warnings(self, *texts: str) -> tuple[Notice, ...]:
        return tuple(Notice("WARNING", "filter", f"[{self._jail}] {text}") for text in texts)
