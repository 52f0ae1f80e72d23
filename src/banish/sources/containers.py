"""Logs of containers: Docker's json-file and the format of the CRI (containerd, CRI-O, Kubernetes), as the lines that programs wrote.

::

    {"log":"Failed password for root\\n","stream":"stderr","time":"2026-01-31T12:00:00.123456789Z"}
    2026-01-31T12:00:00.123456789Z stderr F Failed password for root

A file is known by how it begins. A line that was written in parts (16 KiB each) is put together again. What has a time of day of its
own is taken as it is; before anything else stands the time at which the runtime received it.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod

from banish.sources.reading import LONGEST

_DOCKER = b'{"log":"'
_CRI = re.compile(
    rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<stream>stdout|stderr) (?P<tags>[FP][:\w]*) ?(?P<text>.*)",
    re.DOTALL,
)
_STREAMS = ("stdout", "stderr", "")
_CLOCK = re.compile(rb"\d:[0-5]\d:[0-5]\d")
_BEGINNING = 200
"""Bytes of a line in which its own time is looked for."""


class Decoder(ABC):
    """Takes what the runtime wrote and gives what the program wrote; remembers unfinished lines, by stream."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}

    def decode(self, data: bytes) -> bytes:
        """Return the whole lines in *data* (whole lines of the file); a line that is no entry stays as it is."""
        found = []
        for line in data.split(b"\n"):
            if not line:
                continue
            entry = self._entry(line)
            if entry is None:
                found.append(line + b"\n")
                continue
            stream, time, text, whole = entry
            text = self._parts.pop(stream, b"") + text
            if not whole and len(text) <= LONGEST:
                self._parts[stream] = text
                continue
            text = text.rstrip(b"\r\n").replace(b"\n", b"\\n")
            found.append(text + b"\n" if _CLOCK.search(text[:_BEGINNING]) else b"%s %s\n" % (time, text))
        return b"".join(found)

    @abstractmethod
    def _entry(self, line: bytes) -> tuple[str, bytes, bytes, bool] | None:
        """Return stream, time, text, and whether the text ends the line."""


class Docker(Decoder):
    """json-file."""

    def _entry(self, line: bytes) -> tuple[str, bytes, bytes, bool] | None:
        try:
            entry = json.loads(line)
            text, stream, time = entry["log"], entry.get("stream", ""), entry.get("time", "")
            if not (isinstance(text, str) and stream in _STREAMS and isinstance(time, str)):
                return None
            whole = text.endswith("\n")
            # A stamp is no place for spaces or line ends, whoever wrote it.
            return (
                stream,
                "".join(time.split()).encode("ascii", "ignore"),
                text.encode("utf-8", "surrogateescape"),
                whole,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class Cri(Decoder):
    """CRI."""

    def _entry(self, line: bytes) -> tuple[str, bytes, bytes, bool] | None:
        found = _CRI.fullmatch(line)
        if found is None:
            return None
        return found["stream"].decode(), found["time"], found["text"], found["tags"].startswith(b"F")


def decoder(head: bytes) -> Decoder | None:
    """Return who understands a file that begins with *head*; None when it is no log of a container runtime."""
    if head.startswith(_DOCKER):
        return Docker()
    if _CRI.match(head):
        return Cri()
    return None
