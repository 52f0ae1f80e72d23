"""An entry of the systemd journal as a line of a log, so that all that is done with lines can be done with it.

::

    2026-11-22T12:50:52.123456+01:00 host sshd[1234]: Failed password for root from 192.0.2.7 port 22 ssh2

Host, program and process as fail2ban puts them before the message; kernel messages get the time since the start of the machine.
The date is the entry's own, to the microsecond. Nobody has to look for it: `SETTINGS` says where it stands, whatever
``datepattern`` a filter has, and it is cut out with the space behind it. An entry is one line: newlines in it become ``\\n``.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Protocol

from banish.lines.reader import LineSettings

SETTINGS = LineSettings(datepattern=(r"^%Y-%m-%dT%H:%M:%S\.%f(?P<exact>)%z[ ]",), encoding="utf-8")
"""How the lines of a journal are read."""


PREFIX = (b"_HOSTNAME", b"SYSLOG_IDENTIFIER", b"_COMM", b"SYSLOG_PID", b"_PID")
"""The fields that `prefix` looks at."""


MESSAGE, STATED, SINCE_START = b"MESSAGE", b"_SOURCE_REALTIME_TIMESTAMP", b"_SOURCE_MONOTONIC_TIMESTAMP"
"""What else a line is made of."""


class Valued(Protocol):
    """The fields of an entry, or some of them."""

    def get(self, field: bytes) -> bytes | None:
        """Return the (first) value of *field*; None when the entry has none."""


class Entry(Valued, Protocol):
    """An entry, as far as it has to be known."""

    def realtime(self) -> int:
        """Return when the entry was received: microseconds since 1970."""

    def monotonic(self) -> int:
        """Return the same in microseconds since the machine was started."""


class EntryWriter:
    """Writes entries as lines, in the time zone *zone* (None: the machine's)."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._second, self._digits = -1, b""
        self._date = b""
        self._offset = b""

    def line(self, entry: Entry, at: int) -> bytes:
        """Return the line for *entry*, which states the time *at* (see `stated`), with its newline."""
        message = entry.get(MESSAGE) or b""
        before, kernel = prefix(entry)
        if kernel:
            before += since_start(number(entry.get(SINCE_START)) or entry.monotonic())
        return self.put(at, before, message)

    def put(self, at: int, before: bytes, message: bytes) -> bytes:
        """Return the line of an entry that states the time *at*: its `prefix`, and its message."""
        if b"\n" in message:
            message = message.replace(b"\n", b"\\n")
        second, fraction = divmod(at, 1_000_000)
        if second != self._second:
            self._turn(second)
        return b"%s.%06d%s %s%s\n" % (self._date, fraction, self._offset, before, message)

    def dated(self, digits: bytes, before: bytes, message: bytes) -> bytes:
        """Do the same for the time of sixteen *digits*."""
        if b"\n" in message:
            message = message.replace(b"\n", b"\\n")
        if digits[:10] != self._digits:
            self._turn(int(digits[:10]))
        return b"%s.%s%s %s%s\n" % (self._date, digits[10:], self._offset, before, message)

    def _turn(self, second: int) -> None:
        moment = datetime.fromtimestamp(second, self._zone).astimezone(self._zone)
        text = moment.isoformat(timespec="seconds").encode()
        self._second, self._digits = second, b"%d" % second
        self._date, self._offset = text[:19], text[19:25]


def prefix(entry: Valued) -> tuple[bytes, bool]:
    """Return what stands before the message: host, program and process, as far as they are known.

    And whether it is the kernel's own, which has a time (see `since_start`) instead of a process.
    """
    get = entry.get
    program = get(b"SYSLOG_IDENTIFIER") or get(b"_COMM")
    process = get(b"SYSLOG_PID") or get(b"_PID")
    host = get(b"_HOSTNAME")
    kernel = program == b"kernel" and process is None
    words = b"" if host is None else host + b" "
    if process is not None:
        words += b"%s[%s]: " % (program or b"", process)
    elif program is not None:
        words += program + b": "
    return words.replace(b"\n", b"\\n"), kernel


def since_start(usec: int) -> bytes:
    """Return what stands before a message of the kernel that is from *usec* microseconds after the start."""
    return b"[%12.6f] " % (usec / 1e6)


def stated(entry: Entry) -> int:
    """Return when *entry* says that it was written (when it was received, if it does not say): microseconds since 1970."""
    return number(entry.get(STATED)) or entry.realtime()


def number(text: bytes | None) -> int | None:
    """Return *text* as a number of microseconds before the year 9999; None when it is none."""
    return int(text) if text is not None and text.isdigit() and len(text) < 18 else None
