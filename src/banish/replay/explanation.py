"""What one jail makes of one line, step by step, and where it stopped: for ``banish explain``.

In come jails as they are configured and lines in their order, out come steps, each with what was found. The verdict is the filter's
own (`matching.filter`); the steps are read off the same expressions. The lines of a session belong together, so an `Explainer` is kept
for as long as lines follow. Nothing is counted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, NamedTuple

from banish import durations
from banish.addresses import parse
from banish.config.jails import JailConfig
from banish.failures.ignore import IgnoreRules
from banish.lines.reader import LineReader, LineSettings
from banish.matching.filter import Filter
from banish.model import Line, Match
from banish.patience import ENDLESS, GivenUp, Patience
from banish.replay.closest import Closest

Stage = Literal["date", "prefregex", "failregex", "ignoreregex", "session", "identity", "ignoreip", "failure"]
"""Where a line stopped; ``failure`` is the end of the way."""

_STANDSTILL = 0.0


class Step(NamedTuple):
    """One step: *passed* says whether the line went on, *said* what was found there."""

    stage: Stage
    passed: bool
    said: str
    expression: str = ""
    """The expression that was found, or came closest."""
    origin: str = ""
    """Where it was written."""


class Explanation(NamedTuple):
    """What a jail makes of a line."""

    jail: str
    stopped: Stage
    outcome: str
    """``failure``, ``pending``, ``nofail``, ``ignored``, ``given up`` or ``none``."""
    time: float | None
    ids: tuple[str, ...]
    """Who would be counted."""
    steps: tuple[Step, ...]


class Explainer:
    """One jail at trial. Raises ConfigError when its expressions cannot be used."""

    def __init__(self, config: JailConfig, now: float, patience: Patience = ENDLESS) -> None:
        self._config = config
        self._now = now
        self._filter = Filter(config.settings.filter, patience)
        self._readers = [LineReader(settings, patience=patience) for settings in _settings(config)]
        self._closest = Closest(self._filter)
        self._ignore = IgnoreRules(replace(config.settings.ignore, ignoreself=False))
        self._patience = patience

    @property
    def jail(self) -> str:
        """Its name."""
        return self._config.name

    def explain(self, text: str) -> Explanation:
        """Return what the jail makes of *text*, the next line."""
        steps: list[Step] = []
        line = self._date(text, steps)
        if line is None:
            return Explanation(self.jail, "date", "given up", None, (), tuple(steps))
        begun = len(steps)
        outcome, ids = self._judge(line, steps)
        stopped: Stage = next((step.stage for step in steps[begun:] if not step.passed), "failure")
        return Explanation(self.jail, stopped, outcome, line.at, ids, tuple(steps))

    def _date(self, text: str, steps: list[Step]) -> Line | None:
        for reader in self._readers:
            if not reader.dated:
                steps.append(
                    Step("date", True, "datepattern = {NONE}: its lines have no dates, so it counts as of now")
                )
                return Line(text, text, self._now)
            try:
                found = reader.date(text, self._now)
            except GivenUp:
                steps.append(Step("date", False, "the search for a date took too long, so the line is given up"))
                return None
            if found is not None and found.at is not None:
                steps.append(Step("date", True, self._age(found.at), found.template.name, self._origin("datepattern")))
                return Line(text, text[: found.start] + text[found.end :], found.at)
            if found is not None:
                steps.append(
                    Step("date", True, "the datepattern says that such a line has no date", found.template.name)
                )
                return Line(text, text, None)
        said = "no date was found: it counts as of now while the log is read live, and is passed over while it is caught up with"
        steps.append(Step("date", False, said, self._config.values.get("datepattern", ""), self._origin("datepattern")))
        return Line(text, text, None)

    def _age(self, at: float) -> str:
        age, findtime = self._now - at, self._config.settings.window.findtime
        if age > findtime:
            return (
                f"it is {durations.render(age)} old, more than findtime ({durations.render(findtime)}): passed over while a log "
                "is caught up with, and as of now (with a warning) when it is read live"
            )
        if age < -60:
            return f"it lies {durations.render(-age)} in the future (a wrong time zone?), and counts as of now"
        return f"it is {durations.render(max(0.0, age))} old"

    def _judge(self, line: Line, steps: list[Step]) -> tuple[str, tuple[str, ...]]:
        judge, at = self._filter, self._now if line.at is None else line.at
        verdict = judge.judge(line, at, _STANDSTILL)
        outcome, regex = verdict.outcome, verdict.regex
        if outcome == "given up":
            steps.append(Step("failregex", False, "an expression took too long, so the line is given up"))
            return outcome, ()
        if outcome == "ignored" and regex is None:
            steps.append(self._ignored(line.message))
            return outcome, ()
        if judge.prefregex is not None:
            step = self._prefregex(line)
            steps.append(step)
            if not step.passed:
                return outcome, ()
        if regex is None:
            steps.append(self._unfit(line))
            return outcome, ()
        steps.append(Step("failregex", True, f"failregex {regex} was found", *self._written(regex)))
        if outcome == "ignored":
            steps.append(self._ignored(line.message))
            return outcome, ()
        if outcome in ("pending", "nofail"):
            said = {
                "pending": "it is a failure, but of whom is not known yet: it waits for a line of the same session with an address",
                "nofail": "it is information for its session and no failure by itself",
            }[outcome]
            steps.append(Step("session", False, said))
            return outcome, ()
        if outcome == "none":
            steps.append(Step("identity", False, "it names nobody who could be banned (an address, or <F-ID>)"))
            return outcome, ()
        return outcome, self._whom(verdict.matches, steps)

    def _whom(self, matches: tuple[Match, ...], steps: list[Step]) -> tuple[str, ...]:
        ids = []
        for match in matches:
            if match.name is not None:
                said = (
                    f"{match.name} is a host name: its addresses are counted (usedns = {self._filter.settings.usedns})"
                )
                steps.append(Step("identity", True, said))
                ids.append(match.id)
                continue
            network = match.network or parse(match.id)
            if self._ignore.rule(match.id, network) is not None:
                item = self._ignore.item(match.id, network)
                said = f"{match.id} is not counted: ignoreip has {item}"
                steps.append(Step("ignoreip", False, said, item, self._origin("ignoreip")))
                continue
            window = self._config.settings.window
            lines = f", made of {len(match.lines)} lines of its session" if len(match.lines) > 1 else ""
            limit = f"{window.maxretry} within {durations.render(window.findtime)} lead to a ban"
            steps.append(Step("failure", True, f"a failure of {match.id}{lines}; {limit}"))
            ids.append(match.id)
        return tuple(ids)

    def _prefregex(self, line: Line) -> Step:
        written, origin = self._filter.settings.prefregex, self._origin("prefregex")
        assert self._filter.prefregex is not None  # noqa: S101 - who calls knows
        found = self._search(self._filter.prefregex, f"{line.message}\n")
        if found:
            return Step("prefregex", True, "the prefregex was found", written, origin)
        near = self._closest.find(line)
        fits = f"it fits as far as {near.fits!r}, then comes {near.unfit}" if near else "nothing of it fits"
        return Step("prefregex", False, f"the prefregex was not found: {fits}", written, origin)

    def _unfit(self, line: Line) -> Step:
        near = self._closest.find(line)
        count = len(self._filter.failregex)
        if near is None or near.option != "failregex":
            return Step("failregex", False, f"none of {count} failregex was found, and none comes close")
        if not near.unfit:
            return Step(
                "failregex", False, f"failregex {near.regex} fits, but names nobody", *self._written(near.regex)
            )
        said = f"none of {count} failregex was found; {near.regex} got furthest: it fits as far as {near.fits!r}, then comes {near.unfit}"
        return Step("failregex", False, said, *self._written(near.regex))

    def _ignored(self, text: str) -> Step:
        for number, pattern in enumerate(self._filter.ignoreregex):
            if self._search(pattern, f"{text}\n"):
                origins = self._config.ignoreregex_origins
                origin = str(origins[number]) if number < len(origins) else ""
                said = f"ignoreregex {number} was found, which drops the line"
                return Step("ignoreregex", False, said, self._filter.settings.ignoreregex[number], origin)
        return Step("ignoreregex", False, "an ignoreregex was found in what the prefregex left, which drops the line")

    def _search(self, pattern: re.Pattern[str], text: str) -> bool:
        self._patience.text = text
        try:
            return pattern.search(text) is not None
        except GivenUp:
            return False
        finally:
            self._patience.text = None

    def _written(self, regex: int) -> tuple[str, str]:
        origins = self._config.failregex_origins
        origin = str(origins[regex]) if regex < len(origins) else ""
        return self._filter.settings.failregex[regex], origin

    def _origin(self, option: str) -> str:
        origin = self._config.origins.get(option)
        return str(origin) if origin else ""


def _settings(config: JailConfig) -> list[LineSettings]:
    """Return how lines may be dated: as the jail reads its source, and as it would read the other one."""
    found = [config.settings.lines]
    if config.other is not None:
        found.append(config.other.lines)
    elif config.reads == "journal":
        found.append(LineSettings())
    return found
