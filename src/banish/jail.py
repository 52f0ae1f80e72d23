"""The heart: dated lines in, events out. Pure: no clock, no I/O, no logging; ``now`` is an argument.

::

    feed(lines, now)      what the lines say: failures, ignored ones, decisions, questions, notices, in their order
    answer(question, …)   goes on with a match that waited for a name to be resolved
    tick(now)             forgets what has left the window

Three drivers can use the same heart: the live daemon, a replay of old logs, and the trial of one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from banish import addresses, durations
from banish.addresses import Network
from banish.decisions import bantime
from banish.decisions.bantime import BanTimeSettings
from banish.failures.ignore import IgnoreRules, IgnoreSettings
from banish.failures.window import Window, WindowSettings
from banish.lines.clock import Clock
from banish.lines.reader import LineSettings
from banish.matching.filter import Filter, FilterSettings
from banish.model import Decision, Event, Failure, Ignored, Line, Match, Notice, Question


@dataclass(frozen=True, slots=True)
class JailSettings:
    """Everything that decides what a jail makes of a line; each part lives in the room it governs."""

    name: str
    lines: LineSettings = field(default_factory=LineSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    ignore: IgnoreSettings = field(default_factory=IgnoreSettings)
    bantime: BanTimeSettings = field(default_factory=BanTimeSettings)


class Jail:
    """One jail at work. Raises RegexError when an expression of its filter cannot be used."""

    def __init__(self, settings: JailSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.ignore = IgnoreRules(settings.ignore)
        self._filter = Filter(settings.filter)
        # A log that has no dates by configuration is not warned about.
        self._clock = Clock(settings.name, settings.window.findtime, dated="{NONE}" not in settings.lines.datepattern)
        self._window = Window(settings.name, settings.window)

    @property
    def failed_now(self) -> int:
        """Ids with failures that count."""
        return len(self._window)

    @property
    def failed_total(self) -> int:
        """Failures counted since the jail started."""
        return self._window.total

    def inherit(self, earlier: Jail) -> None:
        """Go on counting where *earlier*, this jail before a reload, stood."""
        self._window = earlier._window
        self._window.reconfigure(self.settings.window)

    def feed(self, lines: Iterable[Line], now: float, *, live: bool = True) -> list[Event]:
        """Judge *lines*, which were read at *now*; *live* is false while catching up with what was written before."""
        events: list[Event] = []
        for line in lines:
            timing = self._clock.judge(line, now, live=live)
            events += timing.notices
            if timing.at is None:
                continue
            verdict = self._filter.judge(line, timing.at)
            for match in verdict.matches:
                events += self._clock.unknown_date(line, now)
                if match.name is not None:
                    events.append(Question("name", self.name, match.name, match))
                else:
                    self._weigh(match, events)
        self._window.tick(now)
        return events

    def answer(self, question: Question, networks: Iterable[Network]) -> list[Event]:
        """Go on with *question*'s match: one failure for each address its name stands for, a notice when there is none."""
        events: list[Event] = []
        for network in networks:
            match = question.match._replace(id=addresses.show(network), network=network, name=None)
            self._weigh(match, events)
        if not events:
            events.append(
                Notice(
                    "WARNING", "filter", f"[{self.name}] Unable to find a corresponding IP address for {question.text}"
                )
            )
        return events

    def tick(self, now: float) -> None:
        """Let time pass: forget what has left the window."""
        self._window.tick(now)

    def forget(self, id_: str) -> None:
        """Count *id_* from zero again, as after an administrator lifted its ban."""
        self._window.forget(id_)

    def _weigh(self, match: Match, events: list[Event]) -> None:
        rule = self.ignore.rule(match.id, match.network)
        if rule is not None:
            events.append(Ignored(self.name, match.id, rule))
            return
        failure = self._window.count(match)
        events.append(failure)
        if failure.retries >= self.settings.window.maxretry:
            events.append(self._decide(failure))

    def _decide(self, failure: Failure) -> Decision:
        span = durations.render(failure.at - failure.since)
        return Decision(
            jail=self.name,
            id=failure.id,
            network=failure.network,
            at=failure.at,
            expires_at=bantime.ends_at(self.settings.bantime, failure.at),
            reason=f"{failure.retries} failures in {span}" if failure.retries > 1 else "1 failure",
            failures=failure.retries,
            matches=failure.matches,
            fields=failure.fields,
        )
