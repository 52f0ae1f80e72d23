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


class Entry(Protocol):
    """An entry, as far as it has to be known."""

    def get(self, field: bytes) -> bytes | None:
        """Return the (first) value of *field*; None when the entry has none."""

    def realtime(self) -> int:
        """Return when the entry was received: microseconds since 1970."""

    def monotonic(self) -> int:
        """Return the same in microseconds since the machine was started."""


class EntryWriter:
    """Writes entries as lines, in the time zone *zone* (None: the machine's)."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._second = -1
        self._date = b""
        self._offset = b""

    def line(self, entry: Entry, at: int) -> bytes:
        """Return the line for *entry*, which states the time *at* (see `stated`), with its newline."""
        get = entry.get
        message = get(b"MESSAGE") or b""
        program = get(b"SYSLOG_IDENTIFIER") or get(b"_COMM")
        process = get(b"SYSLOG_PID") or get(b"_PID")
        if process is not None:
            program = b"%s[%s]" % (program or b"", process)
        elif program == b"kernel":
            message = b"[%12.6f] %s" % (_since_start(entry) / 1e6, message)
        if program is not None:
            message = b"%s: %s" % (program, message)
        host = get(b"_HOSTNAME")
        if host is not None:
            message = b"%s %s" % (host, message)
        if b"\n" in message:
            message = message.replace(b"\n", b"\\n")
        second, fraction = divmod(at, 1_000_000)
        if second != self._second:
            self._turn(second)
        return b"%s.%06d%s %s\n" % (self._date, fraction, self._offset, message)

    def _turn(self, second: int) -> None:
        moment = datetime.fromtimestamp(second, self._zone).astimezone(self._zone)
        text = moment.isoformat(timespec="seconds").encode()
        self._second, self._date, self._offset = second, text[:19], text[19:25]


def stated(entry: Entry) -> int:
    """Return when *entry* says that it was written (when it was received, if it does not say): microseconds since 1970."""
    return _number(entry.get(b"_SOURCE_REALTIME_TIMESTAMP")) or entry.realtime()


def _since_start(entry: Entry) -> int:
    return _number(entry.get(b"_SOURCE_MONOTONIC_TIMESTAMP")) or entry.monotonic()


def _number(text: bytes | None) -> int | None:
    """Return *text* as a number of microseconds before the year 9999; None when it is none."""
    return int(text) if text is not None and text.isdigit() and len(text) < 18 else None
