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
from functools import lru_cache

from banish import durations
from banish.daemon import logtarget
from banish.daemon.logtarget import Said
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


_Line = tuple[str, str, str]
"""Logger without its ``fail2ban.``, level, text."""


class Logbook:
    """Writes what happens; made once, ``configure`` may be called again (a reload)."""

    def __init__(self) -> None:
        for name, level in LEVELS.items():
            logging.addLevelName(level, name)
        self._least = LEVELS["INFO"]
        self._target = ("", "auto")
        self._handler: logtarget.Handler | None = None

    @property
    def trouble(self) -> Problem | None:
        """What keeps the log from being written where it belongs, at this moment; None when all is well.

        It was said on stderr once, and goes when writing works again.
        """
        return self._handler.trouble if self._handler is not None else None

    @property
    def target(self) -> str:
        """``logtarget``, as it was configured."""
        return self._target[0]

    @property
    def syslogsocket(self) -> str:
        return self._target[1]

    @property
    def level(self) -> str:
        return next(name for name, number in LEVELS.items() if number == self._least)

    def configure(self, target: str, level: str, syslogsocket: str = "auto") -> None:
        """Write to *target* from *level* on; *syslogsocket* is where syslog listens, ``auto`` for where it always does.

        Raises ConfigError when one of them cannot be used; the former target then stays.
        """
        if level.upper() not in LEVELS:
            raise ConfigError(Problem("unknown level", f"one of {', '.join(LEVELS)}", option="loglevel", value=level))
        if self._handler is None or (target, syslogsocket) != self._target:
            handler = _handler(target, syslogsocket)
            self.close()
            self._handler, self._target = handler, (target, syslogsocket)
        self._least = LEVELS[level.upper()]

    def reopen(self) -> None:
        """Open the log file again, as after logrotate moved it; other targets have nothing to reopen.

        Never raises: when it cannot be opened, the former file stays in use, `trouble` says so, and it is tried again later.
        """
        if self._handler is not None:
            self._handler.reopen()

    def close(self) -> None:
        """Let go of the target."""
        if self._handler is not None:
            self._handler.close()
        self._handler, self._target = None, ("", "auto")

    def adopt(self, logger: str) -> None:
        """Write what is said to Python's logger ``fail2ban.``*logger*, by rooms that know no logbook."""
        adopted = logging.getLogger(f"fail2ban.{logger}")
        adopted.handlers = [_Adopted(self, logger)]
        adopted.setLevel(logging.DEBUG)
        adopted.propagate = False

    def say(self, logger: str, level: str, text: str) -> None:
        """Write one line; *logger* without its ``fail2ban.``. Never raises: see `trouble`."""
        self._write([(logger, level, text)])

    def say_all(self, logger: str, level: str, texts: Iterable[str]) -> None:
        """Write a line for each of *texts*, as `say` would at this moment, in one go where the target can."""
        self._write([(logger, level, text) for text in texts])

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
        self._write(_of_event(event))

    def events(self, events: Iterable[Failure | Ignored | Notice]) -> None:
        """Write what jails said, in its order and in one go."""
        self._write([line for event in events for line in _of_event(event)])

    def entries(self, entries: Iterable[Entry], now: float) -> None:
        """Write what became of decisions, in their order and in one go."""
        self._write([line for entry in entries for line in _of_entry(entry, now)])

    def entry(self, entry: Entry, now: float) -> None:
        """Write what became of a decision."""
        self._write(_of_entry(entry, now))

    def all_lifted(self, decisions: Iterable[Decision]) -> None:
        """Write that each of *decisions* ended: one line each, written in one go."""
        self.say_all("actions", "NOTICE", [f"[{ban.jail}] Unban {ban.id}" for ban in decisions])

    def _write(self, lines: Iterable[_Line]) -> None:
        least = self._least
        said = [
            # What can be printed needs no escapes, and is told from the rest in no time.
            Said(logger, number, text if text.isprintable() else _CONTROL.sub(_escape, text))
            for logger, level, text in lines
            if (number := LEVELS[level]) >= least
        ]
        if said and self._handler is not None:
            self._handler.say(said)


class _Adopted(logging.Handler):
    def __init__(self, logbook: Logbook, logger: str) -> None:
        super().__init__()
        self._logbook = logbook
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logbook.say(self._logger, record.levelname, record.getMessage())


def _of_event(event: Failure | Ignored | Notice) -> list[_Line]:
    if isinstance(event, Failure):
        found = f"[{event.jail}] Found {event.id}"
        lines = [("filter", "INFO", f"{found} - {local(event.at)}")]
        if event.bans:
            # fail2ban reckons in floats, but for the limit.
            limited = event.weight <= 2 ** min(event.bans - 1, 64)
            weight = f"{event.weight}" if limited else f"{event.weight:.1f}"
            text = f"{event.bans} # -> {weight}{', Ban' if event.due else ''}"
            lines.append(("observer", "INFO", f"{found}, bad - {local(event.at)}, {text}"))
        return lines
    if isinstance(event, Ignored):
        return [("filter", "INFO", f"[{event.jail}] Ignore {event.id} by {event.rule}")]
    return [(event.logger, event.level, event.text)]


def _of_entry(entry: Entry, now: float) -> list[_Line]:
    decision = entry.decision
    who = f"[{decision.jail}] "
    if entry.outcome == "banned":
        verb = "Restore Ban" if decision.origin == "restored" else "Ban"
        lines = [("actions", "NOTICE", f"{who}{verb} {decision.id}")]
        if decision.increase is not None:
            lines += _increased(decision, decision.increase)
        return lines
    if entry.outcome == "expired":
        return [("actions", "INFO", f"{who}Ignore {decision.id}, expired bantime")]
    if entry.outcome == "prolonged":
        return [("actions", "INFO", f"{who}Prolong Ban {decision.id} until {local(decision.expires_at)}")]
    # Lines that were on their way when the ban began are normal; much later they mean that it does not hold.
    since = now - decision.at
    level = "DEBUG" if since < 3 else "NOTICE" if since < 60 else "WARNING"
    return [("actions", level, f"{who}{decision.id} already banned")]


def _increased(decision: Decision, increase: Increase) -> list[_Line]:
    seconds = decision.expires_at - decision.at
    words = durations.render(seconds)
    who = f"[{decision.jail}] IP {decision.id} is bad: {increase.bans} # last {local(increase.last_at)}"
    lines = [("observer", "INFO", f"{who} - incr {durations.render(increase.base)} to {words}")]
    if seconds != increase.base:
        text = f"{increase.bans + 1} # {words} -> {local(decision.expires_at)}"
        lines.append(("observer", "NOTICE", f"[{decision.jail}] Increase Ban {decision.id} ({text})"))
    return lines


def _handler(target: str, syslogsocket: str) -> logtarget.Handler:
    parsed = logtarget.parse(target)
    try:
        return logtarget.open_target(parsed, logtarget.DEV_LOG if syslogsocket == "auto" else syslogsocket)
    except OSError as error:
        remedy = f"name a writable file, or one of {', '.join(logtarget.WORDS)}"
        raise ConfigError(
            Problem(f"cannot write the log there: {error.strerror}", remedy, option="logtarget", value=target)
        ) from error


@lru_cache(maxsize=16)
def local(at: float) -> str:
    """Return a time as the log has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "for ever"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
