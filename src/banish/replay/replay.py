"""Judges the lines of a log in their order, each as the daemon would have judged it when it was written.

What differs from the daemon, as it does in fail2ban-regex: no line is too old or too new, nothing is counted, and time stands
still at *now*. So a session does not end because a log is long, and a line without a date has the last known one only if
that is younger than a minute (else its time is not known, and what it fails counts as *now*). Lines that begin with ``#`` and
empty ones are no log: they are passed over, but they are numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from banish import addresses
from banish.addresses import Network
from banish.lines.datepattern import Template
from banish.lines.reader import LineReader
from banish.matching.filter import Outcome
from banish.model import Line, Match
from banish.patience import ENDLESS, GivenUp, Patience
from banish.replay.rules import Rules

_LAST_DATE_HOLDS = 60.0  # seconds, as for the daemon (``lines.clock``)
_STANDSTILL = 0.0

Resolve = Callable[[str], Iterable[Network]]
"""The addresses of a host name; none when it has none."""


class Judged(NamedTuple):
    """A line and what it is to the filter."""

    number: int
    """Counted from 1, over all lines."""
    line: Line
    at: float | None
    """The time that the line states, or inherits from the one before; None when it is not known."""
    outcome: Outcome
    regex: int | None = None
    """Index of the failregex that was found."""
    matches: tuple[Match, ...] = ()
    """The failures that the line completes; names are resolved, one failure for each address."""
    template: Template | None = None
    """What fitted the line's date."""
    unresolved: str = ""
    """The host name that stands for no address, so that there is nobody to count."""
    passed_over: bool = False
    """A comment or an empty line."""


class Replay:
    """One filter at work. *now* is where time stands still; *resolve* answers for host names.

    Raises ConfigError when the filter's date patterns cannot be used.
    """

    def __init__(self, rules: Rules, now: float, resolve: Resolve, patience: Patience = ENDLESS) -> None:
        self.rules = rules
        self._filter = rules.filter
        self._filter.patience = patience
        self._reader = LineReader(rules.lines, patience=patience)
        self._now = now
        self._resolve = resolve
        self._number = 0
        self._last_at: float | None = None

    def judge(self, data: bytes) -> Iterator[Judged]:
        """Yield the verdicts on the lines of *data*, the next stretch of the log: whole lines."""
        for text in self._reader.texts(data):
            yield self.judge_text(text)

    def judge_text(self, text: str) -> Judged:
        """Return the verdict on *text*, the next line."""
        self._number += 1
        if text.startswith("#") or not text or text.isspace():
            return Judged(self._number, Line(text, text, None), None, "none", passed_over=True)
        try:
            found = self._reader.date(text, self._now)
        except GivenUp:
            return Judged(self._number, Line(text, text, None), None, "given up")
        if found is None:
            line, template, at = Line(text, text, None), None, None
        else:
            line, template, at = Line(text, text[: found.start] + text[found.end :], found.at), found.template, found.at
        at = self._time(at)
        verdict = self._filter.judge(line, self._now if at is None else at, _STANDSTILL)
        outcome, matches, unresolved = verdict.outcome, verdict.matches, ""
        if any(match.name for match in matches):
            unresolved = next(match.name or "" for match in matches)
            matches = tuple(each for match in matches for each in self._resolved(match))
            if matches:
                unresolved = ""
            else:
                outcome = "none"
        return Judged(self._number, line, at, outcome, verdict.regex, matches, template, unresolved)

    def _time(self, stated: float | None) -> float | None:
        if stated is not None:
            self._last_at = stated
            return stated
        if self._last_at is not None and self._last_at > self._now - _LAST_DATE_HOLDS:
            return self._last_at
        return None

    def _resolved(self, match: Match) -> Iterator[Match]:
        if match.name is None:
            yield match
            return
        for network in self._resolve(match.name):
            yield match._replace(id=addresses.show(network), network=network, name=None)


def document(judged: Judged) -> dict[str, Any]:
    """Return *judged* as the JSON object of ``banish match --json``, see docs/reference/match.md."""
    return {
        "line": judged.number,
        "outcome": judged.outcome,
        "time": judged.at,
        "failures": [
            {
                "regex": match.regex,
                "id": match.id,
                "host": match.fields.get("ip", match.id),
                "time": match.at,
                "fields": {name: _plain(value) for name, value in match.fields.items()},
            }
            for match in judged.matches
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return list(value) if isinstance(value, tuple) else value
