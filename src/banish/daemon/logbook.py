"""The log, in fail2ban's own format: the same logger names, levels, texts and padding, because logwatch, munin, ``recidive``
jails and dashboards read it::

    2026-11-22 12:50:53,556 fail2ban.actions        [16397]: NOTICE  [sshd] Ban 198.51.100.7

Targets are those of fail2ban.conf(5) ``logtarget``: a file, ``STDOUT``, ``STDERR`` or ``SYSLOG``. Nothing that comes out of a
log line can start a line of its own here: control characters are written as escapes.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
import time
from pathlib import Path

from banish.decisions.ledger import Entry
from banish.errors import ConfigError, Problem
from banish.model import Decision, Failure, Ignored, Notice

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
_FORMAT = "%(asctime)s %(name)-24s[%(process)d]: %(levelname)-7s %(message)s"
_SYSLOG_FORMAT = "%(name)s[%(process)d]: %(levelname)s %(message)s"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Logbook:
    """Writes what happens; made once, ``configure`` may be called again (a reload)."""

    def __init__(self) -> None:
        for name, level in LEVELS.items():
            logging.addLevelName(level, name)
        self._root = logging.getLogger("fail2ban")
        self._root.propagate = False
        self._target = ""

    def configure(self, target: str, level: str) -> None:
        """Write to *target* from *level* on. Raises ConfigError when either cannot be used; the former target then stays."""
        if level.upper() not in LEVELS:
            raise ConfigError(Problem("unknown level", f"one of {', '.join(LEVELS)}", option="loglevel", value=level))
        if target != self._target:
            handler = _handler(target)
            self.close()
            self._root.addHandler(handler)
            self._target = target
        self._root.setLevel(LEVELS[level.upper()])

    def reopen(self) -> None:
        """Close and open the log file again, as after logrotate moved it; other targets have nothing to reopen."""
        for handler in self._root.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()  # it opens again with the next record

    def close(self) -> None:
        """Let go of the target."""
        for handler in list(self._root.handlers):
            self._root.removeHandler(handler)
            handler.close()
        self._target = ""

    def say(self, logger: str, level: str, text: str) -> None:
        """Write one line; *logger* without its ``fail2ban.``."""
        number = LEVELS[level]
        if self._root.isEnabledFor(number):
            logging.getLogger(f"fail2ban.{logger}").log(number, "%s", _CONTROL.sub(_escape, text))

    def problem(self, problem: Problem) -> None:
        """Write what a person should mend."""
        self.say("configreader", "ERROR" if problem.severity == "error" else "WARNING", str(problem))

    def event(self, event: Failure | Ignored | Notice) -> None:
        """Write what a jail said."""
        if isinstance(event, Failure):
            self.say("filter", "INFO", f"[{event.jail}] Found {event.id} - {_local(event.at)}")
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
        elif entry.outcome == "expired":
            self.say("actions", "INFO", f"{who}Ignore {decision.id}, expired bantime")
        elif entry.outcome == "prolonged":
            self.say("actions", "INFO", f"{who}Prolong Ban {decision.id} until {_local(decision.expires_at)}")
        else:
            # Lines that were on their way when the ban began are normal; much later they mean that it does not hold.
            since = now - decision.at
            level = "DEBUG" if since < 3 else "NOTICE" if since < 60 else "WARNING"
            self.say("actions", level, f"{who}{decision.id} already banned")

    def lifted(self, decision: Decision, *, repealed: bool = False) -> None:
        """Write that a ban ended; *repealed* when its jail ended rather than its time."""
        self.say("actions", "NOTICE", f"[{decision.jail}] {'Repeal Ban' if repealed else 'Unban'} {decision.id}")


def _handler(target: str) -> logging.Handler:
    handler: logging.Handler
    try:
        if target.upper() == "STDOUT":
            handler = logging.StreamHandler(sys.stdout)
        elif target.upper() == "STDERR":
            handler = logging.StreamHandler(sys.stderr)
        elif target.upper() == "SYSLOG":
            handler = logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
        else:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(target, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        remedy = "name a writable file, STDOUT, STDERR or SYSLOG"
        raise ConfigError(
            Problem(f"cannot write the log there: {error.strerror}", remedy, option="logtarget", value=target)
        ) from error
    handler.setFormatter(logging.Formatter(_SYSLOG_FORMAT if target.upper() == "SYSLOG" else _FORMAT))
    return handler


def _local(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "for ever"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
