"""Messages of syslog as lines of a log: RFC 5424, RFC 3164 as it is really sent, and the framing of TCP (RFC 6587).

::

    <34>1 2026-01-31T12:00:00.123Z host su 77 - - failed     2026-01-31T12:00:00.123Z host su[77]: failed
    <34>Jan 31 12:00:00 host su[77]: failed                  Jan 31 12:00:00 host su[77]: failed
    <34>Jan 31 12:00:00 su[77]: failed                       Jan 31 12:00:00 HOST su[77]: failed   (HOST is who sent it)
    failed                                                   2026-01-31T12:00:00+00:00 HOST failed

A message is one line, whatever it holds: a newline in it becomes ``\\n``, so that nobody writes lines in another's name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

LONGEST = 1 << 16
"""Bytes of a message; what is beyond is cut."""
_PRIORITY = re.compile(rb"<\d{1,3}>")
_5424 = re.compile(
    rb"1 (?P<time>\S+) (?P<host>\S+) (?P<program>\S+) (?P<process>\S+) \S+ "
    rb'(?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+)(?: (?P<text>.*))?',
    re.DOTALL,
)
_3164 = re.compile(rb"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<rest>.*)", re.DOTALL)
_ISO = re.compile(rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<rest>.*)", re.DOTALL)
_TAG = re.compile(rb"[^\s:\[]{1,48}(?:\[[^\]\s]*\])?:")
_MARK = b"\xef\xbb\xbf"
_COUNT = re.compile(rb"[1-9]\d{0,6} ")


def line(message: bytes, sender: str, now: float) -> bytes:
    """Return *message*, received at *now* (Unix seconds) from *sender* (a host name or an address), as a line."""
    text = message[:LONGEST].rstrip(b"\r\n\0")
    text = text[found.end() :] if (found := _PRIORITY.match(text)) else text
    host = sender.encode("utf-8", "replace") or b"-"
    if (found := _5424.fullmatch(text)) is not None:
        shown = _of_5424(found, host, now)
    elif (found := _3164.fullmatch(text) or _ISO.fullmatch(text)) is not None:
        rest = found["rest"]
        shown = found["time"] + b" " + (host + b" " + rest if _TAG.match(rest) else rest)
    else:
        shown = _stamp(now) + b" " + host + b" " + text
    return shown.replace(b"\n", b"\\n").replace(b"\0", b"") + b"\n"


def _of_5424(found: re.Match[bytes], host: bytes, now: float) -> bytes:
    time = _stamp(now) if found["time"] == b"-" else found["time"]
    host = host if found["host"] == b"-" else found["host"]
    program = b"" if found["program"] == b"-" else found["program"]
    process = b"" if found["process"] == b"-" else b"[" + found["process"] + b"]"
    text = (found["text"] or b"").removeprefix(_MARK)
    return time + b" " + host + b" " + (program + process + b": " if program or process else b"") + text


def _stamp(now: float) -> bytes:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").encode()


class Frames:
    """Cuts a stream of TCP into messages: by count (``12 <34>...``) or by line end, as each of them begins."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole now. Raises ValueError when one does not come to an end."""
        self._data += data
        found = []
        while self._data:
            count = _COUNT.match(self._data)
            if count is not None:
                end = count.end() + int(count.group())
                if int(count.group()) > LONGEST:
                    raise ValueError("a message is too long")
                if len(self._data) < end:
                    break
                found.append(self._data[count.end() : end])
            else:
                end = self._data.find(b"\n") + 1
                if not end:
                    break
                found.append(self._data[:end])
            self._data = self._data[end:]
        if len(self._data) > 2 * LONGEST:
            raise ValueError("a message is too long")
        return [message for message in found if message.strip()]
