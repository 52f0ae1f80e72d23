#!/usr/bin/env python3
"""A log daemon as small as it can be: what services send to /dev/log becomes lines in a file, as rsyslog would write them.

    python3 syslog.py --file LOG [--socket /dev/log] [--format traditional|iso|protocol] [--hostname NAME]

The three formats are rsyslog's own templates (its manual, "templates"):

* ``traditional`` RSYSLOG_TraditionalFileFormat: ``Nov 22 17:00:00 host sshd[123]: message``
* ``iso``         RSYSLOG_FileFormat, Debian 12's default: ``2026-11-22T17:00:00.123456+00:00 host sshd[123]: message``
* ``protocol``    RSYSLOG_SyslogProtocol23Format (RFC 5424): ``<38>1 2026-11-22T17:00:00.123456+00:00 host sshd 123 - - message``

Control characters arrive in the file as ``#`` and three octal digits, and one line feed at the end is dropped: rsyslog's
defaults. Own code rather than rsyslog itself because one process, one file and no configuration is all the laboratory needs, and
because it is then the same on every machine. It runs as a program of its own (standard library, no imports from beside it).
"""

from __future__ import annotations

import argparse
import re
import signal
import socket
import sys
from datetime import datetime
from pathlib import Path

_DATAGRAM = re.compile(rb"<(\d{1,3})>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(.*)", re.DOTALL)
_TAG = re.compile(r"([^\s:\[]{1,48})(?:\[(\d+)\])?: ?(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def line(datagram: bytes, *, style: str, hostname: str, now: datetime) -> str:
    """Return the log line (without line end) for one *datagram* of syslog(3), received at *now* (with its zone).

    >>> line(b"<38>Nov 22 17:00:00 sshd[7]: hello", style="traditional", hostname="host", now=datetime(2026, 11, 22, 17).astimezone())
    'Nov 22 17:00:00 host sshd[7]: hello'
    """
    found = _DATAGRAM.match(datagram)
    priority, rest = (found[1].decode(), found[2]) if found else ("13", datagram)
    text = _CONTROL.sub(
        lambda c: f"#{ord(c[0]):03o}", rest.rstrip(b"\0").removesuffix(b"\n").decode("utf-8", "surrogateescape")
    )
    if style == "traditional":
        return f"{_MONTHS[now.month - 1]} {now.day:2d} {now:%H:%M:%S} {hostname} {text}"
    stamp = now.isoformat(timespec="microseconds")
    if style == "iso":
        return f"{stamp} {hostname} {text}"
    tag = _TAG.match(text)
    name, pid, message = (tag[1], tag[2] or "-", tag[3]) if tag else ("-", "-", text)
    return f"<{priority}>1 {stamp} {hostname} {name} {pid} - - {message}"


def main() -> int:
    """Receive until killed."""
    parser = argparse.ArgumentParser(description="write what is sent to a syslog socket into a file")
    parser.add_argument("--socket", type=Path, default=Path("/dev/log"))
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--format", choices=("traditional", "iso", "protocol"), default="traditional")
    parser.add_argument("--hostname", default="host")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver, options.file.open("ab", buffering=0) as log:
        receiver.bind(str(options.socket))
        options.socket.chmod(0o666)
        print("ready", flush=True)
        while True:
            datagram = receiver.recv(65536)
            text = line(datagram, style=options.format, hostname=options.hostname, now=datetime.now().astimezone())
            log.write(text.encode("utf-8", "surrogateescape") + b"\n")


if __name__ == "__main__":
    sys.exit(main())
