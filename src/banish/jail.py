"""The heart: dated lines in, events out. Pure: no clock, no I/O, no logging; ``now`` is an argument.

::

    feed(lines, now)      what the lines say: failures, ignored ones, decisions, questions, notices, in their order
    answer(question, …)   goes on with a match that waited for a name to be resolved, or for ignorecommand
    tick(now)             forgets what has left the window

What was decided before decides what follows (``bantime.increment``): the driver passes in what it remembers of an id, and where
random numbers come from. Three drivers can use the same heart: the live daemon, a replay of old logs, and the trial of one line.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from banish import addresses, durations
from banish.addresses import Network
from banish.decisions import bantime
from banish.decisions.bantime import CLEAN, BanTimeSettings, History, Term
from banish.failures.crowd import Crowd
from banish.failures.ignore import IgnoreRules, IgnoreSettings
from banish.failures.window import Window, WindowSettings
from banish.lines.clock import Clock
from banish.lines.reader import LineSettings
from banish.lines.stretch import Stretch
from banish.matching.filter import Filter, FilterSettings
from banish.model import NO_FIELDS, Decision, Event, Failure, Ignored, Line, Match, Notice, Question
from banish.patience import ENDLESS, Patience
from banish.sightings import Sightings


@dataclass(frozen=True, slots=True)
class JailSettings:
    """Everything that decides what a jail makes of a line; each part lives in the room it governs."""

    name: str
    lines: LineSettings = field(default_factory=LineSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    ignore: IgnoreSettings = field(default_factory=IgnoreSettings)
    bantime: BanTimeSettings = field(default_factory=BanTimeSettings)


class Standing(NamedTuple):
    """Where a jail stands in its logs, as plain values."""

    dated_at: float | None
    """The date that a line without one borrows."""
    lines: tuple[tuple[Any, ...], ...]
    """With maxlines, the last lines (``model.Line``)."""


class Jail:
    """One jail at work. Raises RegexError when an expression of its filter cannot be used."""

    def __init__(
        self,
        settings: JailSettings,
        history: Callable[[str], History] = lambda id_: CLEAN,
        history_everywhere: Callable[[str], History] = lambda id_: CLEAN,
        random: Callable[[], float] = lambda: 0.0,
        *,
        crowd: Crowd | None = None,
        patience: Patience = ENDLESS,
    ) -> None:
        """*history* says what this jail remembers of an id, *history_everywhere* what all jails do; *random*: from 0 up to 1.

        *crowd* bounds what this jail remembers together with other jails; without it, alone. *patience*: how long expressions may take.
        """
        self.settings = settings
        self.name = settings.name
        self.ignore = IgnoreRules(settings.ignore)
        self.filter = Filter(settings.filter, patience)
        # A log that has no dates by configuration is not warned about.
        self._clock = Clock(settings.name, settings.window.findtime, dated="{NONE}" not in settings.lines.datepattern)
        self._sightings = Sightings(self.filter, self._clock)
        self._window = Window(settings.name, settings.window, crowd)
        self._command = settings.ignore.command
        self._increment = settings.bantime.increment
        self._history = history
        self._history_everywhere = history_everywhere
        self._random = random
        self._banned: dict[str, float] = {}
        """Ids banned by the lines at hand, with when that began: nobody else knows of it yet."""

    @property
    def failed_now(self) -> int:
        """Ids with failures that count."""
        return len(self._window)

    @property
    def failed_total(self) -> int:
        """Failures counted since the jail started."""
        return self._window.total

    @property
    def window(self) -> Window:
        """Its failures."""
        return self._window

    @property
    def standing(self) -> Standing:
        """Where it stands, apart from its failures and its sessions, which are many."""
        return Standing(self._clock.last_at, tuple(map(tuple, self.filter.lines)))

    def inherit(self, earlier: Jail) -> None:
        """Go on counting where *earlier*, this jail before a reload, stood; with another filter, its sessions begin anew."""
        self._window = earlier._window
        self._window.reconfigure(self.settings.window)
        self._clock.since, self._clock.until = earlier._clock.since, earlier._clock.until
        self._clock.last_at = earlier._clock.last_at
        if self.settings.filter == earlier.settings.filter:
            self.filter.inherit(earlier.filter.sessions, earlier.filter.lines)

    def recall(self, standing: Standing, now: float) -> None:
        """Go on at *now* where this jail stood in an earlier run."""
        self._clock.last_at = standing.dated_at
        self.filter.inherit(self.filter.sessions, itertools.starmap(Line, standing.lines))
        self._window.follow(now, live=False)

    def bound(self, *, since: float = -math.inf, until: float = math.inf) -> None:
        """Judge only lines that state a time from *since* on and before *until* (Unix seconds), and those that state none."""
        self._clock.since, self._clock.until = since, until

    def feed(self, lines: Iterable[Line], now: float, *, live: bool = True) -> list[Event]:
        """Judge *lines*, which were read at *now*; *live* is false while catching up with what was written before."""
        events: list[Event] = []
        self._banned = {}
        self._window.follow(now, live=live)
        match_of = self.filter.match
        for sighting, undated, at in self._sightings.of(lines, now, events, live=live):
            match = match_of(sighting, at)
            if match.__class__ is Match:
                if undated is not None:
                    events += self._clock.unknown_date(undated, now)
                self._weigh(match, events)
        self._window.tick(now)
        return events

    def judges_at_once(self, stretch: Stretch) -> bool:
        """Tell whether all of *stretch* costs little more than the lines in it that matter."""
        return self._sightings.program(stretch) is not None

    def attempt(self, id_: str, network: Network | None, lines: tuple[str, ...], at: float) -> list[Event]:
        """Count a failure that somebody tells of, which weighs as much as it has *lines*."""
        events: list[Event] = []
        rule = self.ignore.rule(id_, network)
        if rule is not None:
            events.append(Ignored(self.name, id_, rule))
        else:
            self._count(Match(0, id_, network, at, NO_FIELDS, lines), events, max(1, len(lines)))
        return events

    def answer(self, question: Question, answer: Iterable[Network] | bool) -> list[Event]:
        """Go on with *question*'s match.

        After a name: one failure (or a question about it) for each address it stands for, a notice when there is none.
        After a command: an ignored match, or a failure.
        """
        events: list[Event] = []
        self._banned = {}
        if isinstance(answer, bool):
            match = question.match
            # The rules may have changed while the command ran.
            rule = "command" if answer else self.ignore.rule(match.id, match.network)
            if rule is not None:
                events.append(Ignored(self.name, match.id, rule))
            else:
                self._count(match, events)
            return events
        for network in answer:
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

    def forget_all(self, ids: Iterable[str]) -> None:
        """Do the same with each of *ids*, of which there may be very many."""
        self._window.forget_all(ids)

    def term(self, id_: str) -> Term:
        """How long a ban of *id_* that begins now lasts."""
        settings = self.settings.bantime
        history = self._history_everywhere if settings.overalljails else self._history
        return bantime.term(settings, self._past(id_, history) if settings.increment else CLEAN, self._random)

    def _past(self, id_: str, history: Callable[[str], History]) -> History:
        """Return what *history* says of *id_*, and the lines at hand: where a batch ends must make no difference."""
        known = history(id_)
        if id_ not in self._banned or known.standing:
            return known
        return History(known.bans + 1, self._banned[id_], standing=True)

    def _weigh(self, match: Match, events: list[Event]) -> None:
        _, id_, network, _, _, _, name = match  # in a third of the time that asking for three by name takes
        if name is not None:
            events.append(Question("name", self.name, name, match))
            return
        rule = self.ignore.rule(id_, network)
        if rule is not None:
            events.append(Ignored(self.name, id_, rule))
        elif self._command:
            events.append(Question("command", self.name, self._command, match))
        else:
            self._count(match, events)

    def _count(self, match: Match, events: list[Event], times: int = 1) -> None:
        if self._increment:
            settings, history = self.settings, self._past(match.id, self._history)
            weight = bantime.weight(settings.bantime, history, settings.window.maxretry)
            failure = self._window.count(match, weight * times, history.bans)
        else:
            failure = self._window.count(match, times)
        events.append(failure)
        if failure.due:
            self._decide(failure, events)

    def _decide(self, failure: Failure, events: list[Event]) -> None:
        _, id_, network, at, retries, since, matches, fields, attempts, bans, *_ = failure
        term = self.term(id_)
        if term.problem:
            text = f"[{self.name}] bantime.formula comes to nothing for {id_}: {term.problem}; bantime is used"
            events.append(Notice("ERROR", "observer", text))
        count = attempts if bans else retries
        reason = f"{count} failures in {durations.render(at - since)}" if count > 1 else "1 failure"
        if bans:
            reason += f", banned {'once' if bans == 1 else f'{bans} times'} before"
        decision = Decision(
            jail=self.name,
            id=id_,
            network=network,
            at=at,
            expires_at=at + term.seconds,
            reason=reason,
            failures=attempts,
            matches=matches,
            fields=fields,
            increase=term.increase,
            basis="increased" if term.increase else "bantime",
        )
        self._banned.setdefault(id_, at)
        events.append(decision)
