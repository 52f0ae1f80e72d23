"""Where the log goes: ``logtarget`` of fail2ban.conf(5) on one side, a `logging.Handler` on the other.

::

    target  = word [ "[" option { "," option } "]" ] | path [ "[" ... "]" ]
    word    = STDOUT | STDERR | SYSOUT | SYSLOG | SYSTEMD-JOURNAL       in any case
    path    = whatever has a "/" in it
    option  = datetime=on|off | padding=on|off | format="..." | facility=daemon     (the last for SYSLOG and SYSTEMD-JOURNAL)

``SYSOUT`` is STDOUT without the time, for those who write their own. ``SYSTEMD-JOURNAL`` speaks the journal's own protocol
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), or syslog where there is no journal. *format* is that of Python's logging.

The law: writing never raises and never prints a traceback. A line that cannot be written is lost, is counted, and is told: once
on stderr, and in `Handler.trouble` for as long as it lasts. What is said together is written together: nothing waits in a buffer.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from banish.config.grammar import parse_actions
from banish.config.text import BUILT_IN, Text
from banish.errors import ConfigError, Problem

WORDS = ("STDOUT", "STDERR", "SYSOUT", "SYSLOG", "SYSTEMD-JOURNAL")
DEV_LOG = "/dev/log"
JOURNAL = "/run/systemd/journal/socket"
JSON = "json"
"""As a *format*: each line is a JSON object."""
RETRY = 5.0
"""Seconds between attempts to open a log file that could not be opened again."""
SAY_AGAIN = 60.0
"""Seconds between two times that the same trouble is said on stderr."""

_LONGEST = 8192
"""Bytes of one message to syslog or the journal; rsyslog's own limit, and what fits into a datagram everywhere."""
_PATIENCE = 0.5
"""Seconds that a busy syslog is waited for; once that was in vain, it is not waited for until it works again."""
_STAMP = len("2001-02-03 04:05:06,789")
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
_ABOUT = re.compile(
    r"\[(?P<jail>[^\]]*)\](?: (?:Found|Ignore|Ban|Unban|Restore Ban|Repeal Ban|Prolong Ban|Reban|Increase Ban|Refuse to ban) "
    r"(?P<address>\S+?)(?=,|:? |:?$))?"
)
_NUMBERED = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "security", "console", "solaris-cron", *(f"local{number}" for number in range(8))),
)
_FACILITIES = {name: number for number, name in enumerate(_NUMBERED)}
"""RFC 5424, section 6.2.1, by the names of syslog(3)."""
_DAEMON = _FACILITIES["daemon"]


class Said(NamedTuple):
    """A line for the log, in which nothing is left that could be taken for another line."""

    logger: str
    """Without its ``fail2ban.``"""
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed ``logtarget``: *name* is one of `WORDS` or a path."""

    name: str
    datetime: bool = True
    padding: bool = True
    format: str = ""
    facility: int = _DAEMON


def parse(text: str) -> Target:
    """Return the target that *text* means. Raises ConfigError, which names the option, its value and the remedy."""
    options: dict[str, str] = {}
    name = text.strip()
    if name.endswith("]"):
        try:
            calls = parse_actions(Text.at(name, BUILT_IN))
        except ConfigError as error:
            raise ConfigError(replace(error.problem, option="logtarget", value=text, origin=None)) from error
        if len(calls) != 1:
            raise _error("is not one target", 'write SYSLOG[facility=daemon], or STDOUT[format="..."]', text)
        name, options = calls[0].name, {key: value.text.strip() for key, value in calls[0].options.items()}
    if name.upper() in WORDS:
        name = name.upper()
    elif "/" not in name or "\0" in name:
        import difflib  # noqa: PLC0415 - for slips alone

        near = difflib.get_close_matches(name.upper(), WORDS, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise _error("is no log target", f"{guess}one of {', '.join(WORDS)}, or a path: /var/log/banish.log", text)
    distant = name in ("SYSLOG", "SYSTEMD-JOURNAL")
    known = ("datetime", "padding", "format", *(("facility",) if distant else ()))
    for key in options:
        if key not in known:
            raise _error(f"{name} has no option {key}", f"it has {', '.join(known)}", text)
    return Target(
        name,
        _switch(options, "datetime", text, default=name != "SYSOUT" and not distant),
        _switch(options, "padding", text, default=not distant),
        _format(options.get("format", ""), text),
        _facility(options.get("facility", "daemon"), text),
    )


def open_target(target: Target, syslogsocket: str = "") -> Handler:
    """Return a handler that writes to *target*, by *syslogsocket* if that is syslog. Raises OSError when it cannot be had."""
    if target.name in ("STDOUT", "SYSOUT"):
        return Descriptor(target, 1)
    if target.name == "STDERR":
        return Descriptor(target, 2)
    if target.name == "SYSTEMD-JOURNAL" and os.path.exists(JOURNAL):
        return Journal(target, JOURNAL)
    if target.name in ("SYSLOG", "SYSTEMD-JOURNAL"):
        return Syslog(target, syslogsocket or DEV_LOG)
    return File(target)


class JsonLine(logging.Formatter):
    """A record as one JSON object: ``time`` (RFC 3339), ``logger``, ``level``, ``process``, ``message``, and ``jail`` and ``address``
    where the message is about them.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, on one line and in ASCII."""
        message = record.getMessage()
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "logger": record.name,
            "level": record.levelname,
            "process": record.process,
            "message": message,
        }
        if found := _ABOUT.match(message):
            fields.update({name: text for name, text in found.groupdict().items() if text})
        return json.dumps(fields)


class Handler(logging.Handler):
    """Writes records to one target; `write` of the subclass raises OSError, nothing else does.

    trouble
        What keeps lines from being written where they belong, at this moment; None when all is well.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target
        self.trouble: Problem | None = None
        self.line_format = target.format or self.default_format(target)
        self.setFormatter(JsonLine() if target.format == JSON else logging.Formatter(self.line_format))
        self._lost = 0
        self._said, self._said_at = "", 0.0

    def default_format(self, target: Target) -> str:
        """Return the format when the target gives none, in the terms of Python's logging."""
        line = "%(name)-24s[%(process)d]: %(levelname)-7s %(message)s"
        if not target.padding:
            line = "%(name)s[%(process)d]: %(levelname)s %(message)s"
        return f"%(asctime)s {line}" if target.datetime else line

    def write(self, record: logging.LogRecord, line: str) -> None:
        """Write *line*, the finished text of *record*."""
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    def reopen(self) -> None:
        """Open the target again, where that means something."""

    def say(self, lines: Sequence[Said]) -> None:
        """Write *lines*; what stands in the way becomes `trouble`."""
        for line in lines:
            self.emit(_record(line))

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*; what stands in the way becomes `trouble`."""
        try:
            self.write(record, self.format(record))
        except Exception as error:  # noqa: BLE001 - a log that breaks must not break what it tells of
            self.failed(error, 1)
        else:
            self.succeeded()

    def failed(self, error: Exception, lines: int) -> None:
        """Note that *lines* could not be written because of *error*."""
        self._lost += lines
        if self.trouble is None:
            self.fail(
                f"the log cannot be written: {_reason(error)}",
                "free some disk space, or name a log target that works",
            )

    def succeeded(self) -> None:
        """Note that all that was said could be written."""
        self.works()
        if self._lost:
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Say in the log how much is missing; when that fails, it is said after the next line."""
        text = f"{self._lost} lines before the last one could not be written: {self._said}"
        told = _record(Said("server", logging.WARNING, text))
        with suppress(OSError):
            self.write(told, self.format(told))
            self._lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Not used: `emit` deals with every error itself."""

    def works(self) -> None:
        """Note that a line was written."""
        self.trouble = None

    def fail(self, text: str, remedy: str) -> None:
        """Remember what is wrong, and say it on stderr; once a minute is enough when it comes and goes."""
        problem = Problem(text, remedy, option="logtarget", value=self.target.name)
        known, self.trouble = self.trouble, problem
        now = time.monotonic()
        repeated = self._said == text and now - self._said_at < SAY_AGAIN
        self._said = text
        if known != problem and not repeated:
            self._said_at = now
            with suppress(OSError):
                os.write(2, f"banishd: {problem}\n".encode("utf-8", "backslashreplace"))


class Descriptor(Handler):
    """Writes lines to an open file descriptor, unbuffered: what was said is there, and a failed line does not come later."""

    def __init__(self, target: Target, descriptor: int) -> None:
        os.fstat(descriptor)  # says now whether it is closed
        super().__init__(target)
        self.descriptor = descriptor
        self._torn = False
        """The last line was written in part, as by a disk that became full."""
        self._unwritten = 0
        self._message_is_last = self.line_format.endswith("%(message)s") and self.line_format.count("%(message)") == 1
        self._usual = self.line_format == self.default_format(target)
        self._heads: dict[tuple[str, int, int], str] = {}
        """What stands between time and message, by logger, level and process; of lines in the default format."""
        self._second = 0, ""

    def say(self, lines: Sequence[Said]) -> None:
        if not self._message_is_last:
            super().say(lines)
            return
        stamped = self._usual and self.target.datetime
        now, process = time.time(), os.getpid()
        stamp = self._stamp(now) if stamped else ""
        heads = self._heads if self._usual else {}
        text = []
        for logger, level, message in lines:
            head = heads.get((logger, level, process))
            if head is None:
                whole = self.format(_record(Said(logger, level, ""), now))
                head = heads[logger, level, process] = whole[_STAMP:] if stamped else whole
            text.append(f"{stamp}{head}{message}\n")
        self.put("".join(text))

    def _stamp(self, now: float) -> str:
        """Return what the standard library would write for ``asctime``, which takes it a hundred times as long."""
        second = int(now)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._second[1]},{int((now - second) * 1000):03}"

    def put(self, text: str) -> None:
        """Write *text*, whole lines; what stands in the way becomes `trouble`."""
        try:
            self._write(text)
        except Exception as error:  # noqa: BLE001 - as for one line
            self.failed(error, self._unwritten)
        else:
            self.succeeded()

    def write(self, record: logging.LogRecord, line: str) -> None:
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        self._unwritten = text.count("\n")
        if self._torn:
            os.write(self.descriptor, b"\n")
            self._torn = False
        while rest:
            written = os.write(self.descriptor, rest)
            self._torn = rest[written - 1] != ord("\n")
            rest = rest[written:]
            self._unwritten = bytes(rest).count(b"\n")


class File(Descriptor):
    """Writes to the file that the target names, made with its directory when there is none."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, _open(target.name))
        self._retry_at: float | None = None
        """When to open the file again (monotonic); None while the open file is the named one."""

    def reopen(self) -> None:
        """Open the file again, as after logrotate moved it. When that fails, the former file stays in use, and it is retried."""
        try:
            descriptor = _open(self.target.name)
        except OSError as error:
            self._retry_at = time.monotonic() + RETRY
            self.fail(
                f"the log file cannot be opened again: {_reason(error)}; lines go on into the former one",
                "make its directory writable, or name another file",
            )
            return
        former, self.descriptor = self.descriptor, descriptor
        self._torn, self._retry_at, self.trouble = False, None, None
        with suppress(OSError):
            os.close(former)

    def say(self, lines: Sequence[Said]) -> None:
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            self.reopen()
        super().say(lines)

    def works(self) -> None:
        if self._retry_at is None:
            super().works()

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)
        super().close()


class Syslog(Handler):
    """Sends messages to a syslog daemon's socket, and connects again when that has gone."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target)
        self._address = address
        self._stream = False
        self._socket: socket.socket | None = self._connect()

    def write(self, record: logging.LogRecord, line: str) -> None:
        message = self.message(record, line.encode("utf-8", "backslashreplace")[:_LONGEST])
        if self._socket is not None:
            try:
                self._send(self._socket, message)
                return
            except (TimeoutError, BlockingIOError):
                raise
            except OSError:
                self.close_socket()
        self._socket = self._connect()
        self._send(self._socket, message)

    def message(self, record: logging.LogRecord, line: bytes) -> bytes:
        """Return what goes over the socket."""
        return b"<%d>%s" % (self.target.facility << 3 | _severity(record.levelno), line)

    def close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        self.close_socket()
        super().close()

    def _send(self, connected: socket.socket, message: bytes) -> None:
        connected.settimeout(0.0 if self.trouble else _PATIENCE)
        connected.sendall(message + b"\0" if self._stream else message)

    def _connect(self) -> socket.socket:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            connecting = socket.socket(socket.AF_UNIX, kind)
            try:
                connecting.settimeout(_PATIENCE)
                connecting.connect(self._address)
            except OSError as error:
                connecting.close()
                if error.errno != errno.EPROTOTYPE or kind == socket.SOCK_STREAM:
                    raise
            else:
                self._stream = kind == socket.SOCK_STREAM
                return connecting
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))


class Journal(Syslog):
    """Sends messages to the journal, which shows them as it shows those that come through syslog."""

    def default_format(self, target: Target) -> str:
        """Return the format without name and process, which are fields of their own."""
        line = "%(levelname)-7s %(message)s" if target.padding else "%(levelname)s %(message)s"
        return f"%(asctime)s {line}" if target.datetime else line

    def message(self, record: logging.LogRecord, line: bytes) -> bytes:
        fields = {
            "PRIORITY": _severity(record.levelno),
            "SYSLOG_FACILITY": self.target.facility,
            "SYSLOG_IDENTIFIER": record.name,
            "SYSLOG_PID": record.process,
        }
        head = "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
        return head + b"MESSAGE=" + line.replace(b"\n", b" ") + b"\n"


def _open(name: str) -> int:
    # Without O_NONBLOCK a named pipe that nobody reads would stop the daemon here; files do not know the difference.
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    return os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def _record(said: Said, at: float | None = None) -> logging.LogRecord:
    record = logging.LogRecord(f"fail2ban.{said.logger}", said.level, "", 0, said.text, None, None)
    if at is not None:
        record.created, record.msecs = at, int((at - int(at)) * 1000) + 0.0
    return record


def _severity(level: int) -> int:
    """The severity of RFC 5424, section 6.2.1, for a level of ours."""
    return next((severity for least, severity in ((50, 2), (40, 3), (30, 4), (25, 5), (20, 6)) if level >= least), 7)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _switch(options: dict[str, str], key: str, text: str, *, default: bool) -> bool:
    word = options.get(key, "").lower()
    if key in options and word not in _SWITCH:
        raise _error(f"{key}={word} is neither on nor off", f"write {key}=on or {key}=off", text)
    return _SWITCH.get(word, default)


def _format(format_: str, text: str) -> str:
    if format_ and format_ != JSON:
        try:
            record = logging.LogRecord("fail2ban", logging.INFO, "", 0, "", None, None)
            logging.Formatter(format_).format(record)
        except (ValueError, TypeError, KeyError) as error:
            remedy = 'for example format="%(asctime)s %(levelname)s %(message)s"'
            raise _error(f"the format cannot be used: {error}", remedy, text) from error
    return format_


def _facility(word: str, text: str) -> int:
    name = word.lower().removeprefix("log_")
    if name not in _FACILITIES:
        raise _error(f"there is no facility {word}", f"one of {', '.join(sorted(_FACILITIES))}", text)
    return _FACILITIES[name]


def _error(what: str, remedy: str, text: str) -> ConfigError:
    return ConfigError(Problem(what, remedy, option="logtarget", value=text))
