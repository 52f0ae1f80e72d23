"""The log, in fail2ban's own format: the same logger names, levels, texts and padding, because logwatch, munin, ``recidive``
jails and dashboards read it::

    2026-11-22 12:50:53,556 fail2ban.actions        [16397]: NOTICE  [sshd] Ban 198.51.100.7

Where it goes is the business of `logtarget`. The law: nothing that comes out of a log line can start a line of its own here, or
make one look like another (control characters and those that turn the direction of writing are written as escapes); and saying
something never raises, whatever becomes of the log.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Iterable

from banish import durations
from banish.daemon import logtarget
from banish.decisions.ledger import Entry
from banish.errors import ConfigError, Problem
from banish.model import Decision, Failure, Ignored, Increase, Notice

LEVELS = {
    "CRITICAL": 50,
    "ERROR": 40,
    "WARNING": 30,
    "NOTICE": 25,
    "INFO": 20,
    "MSG": 18,
    "DEBUG": 10,
    "TRACEDEBUG": 7,
    "HEAVYDEBUG": 5,
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""C0, C1, line and paragraph separator, and what turns the direction of writing (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)."""


class Logbook:
    """Writes what happens; made once, ``configure`` may be called again (a reload)."""

    def __init__(self) -> None:
        for name, level in LEVELS.items():
            logging.addLevelName(level, name)
        self._root = logging.getLogger("fail2ban")
        self._root.propagate = False
        self._target = ""
        self._handler: logtarget.Handler | None = None

    @property
    def trouble(self) -> Problem | None:
        """What keeps the log from being written where it belongs, at this moment; None when all is well.

        It was said on stderr once, and goes when writing works again.
        """
        return self._handler.trouble if self._handler is not None else None

    def configure(self, target: str, level: str) -> None:
        """Write to *target* from *level* on. Raises ConfigError when either cannot be used; the former target then stays."""
        if level.upper() not in LEVELS:
            raise ConfigError(Problem("unknown level", f"one of {', '.join(LEVELS)}", option="loglevel", value=level))
        if self._handler is None or target != self._target:
            handler = _handler(target)
            self.close()
            self._root.addHandler(handler)
            self._handler, self._target = handler, target
        self._root.setLevel(LEVELS[level.upper()])

    def reopen(self) -> None:
        """Open the log file again, as after logrotate moved it; other targets have nothing to reopen.

        Never raises: when it cannot be opened, the former file stays in use, `trouble` says so, and it is tried again later.
        """
        if self._handler is not None:
            self._handler.reopen()

    def close(self) -> None:
        """Let go of the target."""
        for handler in list(self._root.handlers):
            self._root.removeHandler(handler)
            handler.close()
        self._handler, self._target = None, ""

    def say(self, logger: str, level: str, text: str) -> None:
        """Write one line; *logger* without its ``fail2ban.``. Never raises: see `trouble`."""
        number = LEVELS[level]
        if self._root.isEnabledFor(number):
            logging.getLogger(f"fail2ban.{logger}").log(number, "%s", _CONTROL.sub(_escape, text))

    def say_all(self, logger: str, level: str, texts: Iterable[str]) -> None:
        """Write a line for each of *texts*, as `say` would at this moment, in one go where the target can."""
        number = LEVELS[level]
        if self._handler is not None and self._root.isEnabledFor(number):
            clean = [text if text.isprintable() else _CONTROL.sub(_escape, text) for text in texts]
            blank = logging.LogRecord(f"fail2ban.{logger}", number, "", 0, "%s", None, None)
            self._handler.emit_all(blank, clean)

    def bug(self, logger: str, text: str, error: Exception) -> None:
        """Write that something of ours failed, with where it did: on one line, as everything."""
        where = " < ".join(
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in reversed(traceback.extract_tb(error.__traceback__))
        )
        self.say(logger, "CRITICAL", f"{text}: {error!r} at {where}")

    def problem(self, problem: Problem) -> None:
        """Write what a person should mend."""
        self.say("configreader", "ERROR" if problem.severity == "error" else "WARNING", str(problem))

    def event(self, event: Failure | Ignored | Notice) -> None:
        """Write what a jail said."""
        if isinstance(event, Failure):
            self.say("filter", "INFO", f"[{event.jail}] Found {event.id} - {_local(event.at)}")
            if event.bans:
                # fail2ban reckons in floats, but for the limit.
                limited = event.weight <= 2 ** min(event.bans - 1, 64)
                weight = f"{event.weight}" if limited else f"{event.weight:.1f}"
                text = f"{event.bans} # -> {weight}{', Ban' if event.due else ''}"
                self.say("observer", "INFO", f"[{event.jail}] Found {event.id}, bad - {_local(event.at)}, {text}")
        elif isinstance(event, Ignored):
            self.say("filter", "INFO", f"[{event.jail}] Ignore {event.id} by {event.rule}")
        else:
            self.say(event.logger, event.level, event.text)

    def entry(self, entry: Entry, now: float) -> None:
        """Write what became of a decision."""
        decision = entry.decision
        who = f"[{decision.jail}] "
        if entry.outcome == "banned":
            verb = "Restore Ban" if decision.origin == "restored" else "Ban"
            self.say("actions", "NOTICE", f"{who}{verb} {decision.id}")
            if decision.increase is not None:
                self._increased(decision, decision.increase)
        elif entry.outcome == "expired":
            self.say("actions", "INFO", f"{who}Ignore {decision.id}, expired bantime")
        elif entry.outcome == "prolonged":
            self.say("actions", "INFO", f"{who}Prolong Ban {decision.id} until {_local(decision.expires_at)}")
        else:
            # Lines that were on their way when the ban began are normal; much later they mean that it does not hold.
            since = now - decision.at
            level = "DEBUG" if since < 3 else "NOTICE" if since < 60 else "WARNING"
            self.say("actions", level, f"{who}{decision.id} already banned")

    def _increased(self, decision: Decision, increase: Increase) -> None:
        seconds = decision.expires_at - decision.at
        words = durations.render(seconds)
        who = f"[{decision.jail}] IP {decision.id} is bad: {increase.bans} # last {_local(increase.last_at)}"
        self.say("observer", "INFO", f"{who} - incr {durations.render(increase.base)} to {words}")
        if seconds != increase.base:
            text = f"{increase.bans + 1} # {words} -> {_local(decision.expires_at)}"
            self.say("observer", "NOTICE", f"[{decision.jail}] Increase Ban {decision.id} ({text})")

    def lifted(self, decision: Decision, *, repealed: bool = False) -> None:
        """Write that a ban ended; *repealed* when its jail ended rather than its time."""
        self.say("actions", "NOTICE", f"[{decision.jail}] {'Repeal Ban' if repealed else 'Unban'} {decision.id}")

    def all_lifted(self, decisions: Iterable[Decision]) -> None:
        """Write that each of *decisions* ended: one line each, written in one go."""
        self.say_all("actions", "NOTICE", [f"[{ban.jail}] Unban {ban.id}" for ban in decisions])


def _handler(target: str) -> logtarget.Handler:
    parsed = logtarget.parse(target)
    try:
        return logtarget.open_target(parsed)
    except OSError as error:
        remedy = f"name a writable file, or one of {', '.join(logtarget.WORDS)}"
        raise ConfigError(
            Problem(f"cannot write the log there: {error.strerror}", remedy, option="logtarget", value=target)
        ) from error


def _local(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "for ever"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
