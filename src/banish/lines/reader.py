"""Turns a batch of bytes into dated lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from banish.lines.decoding import Decoder
from banish.lines.detector import DateDetector, Found
from banish.model import Line


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the lines of a source are decoded and dated; jails with equal settings share one reader per source."""

    datepattern: tuple[str, ...] = ()
    """Patterns of jail.conf(5) ``datepattern``; empty means the default templates."""
    encoding: str = "auto"
    """``logencoding``: a codec's name, or ``auto`` for UTF-8."""
    timezone: str = ""
    """``logtimezone``: applied to dates without a zone; empty means the machine's zone."""


class LineReader:
    """Reads one source for all jails with the same *settings*; remembers its encoding's and its dates' state.

    *zone* is the machine's zone (None: ask the C library, see ``zones``). Raises ConfigError, naming the option, for settings
    that cannot be used.
    """

    def __init__(self, settings: LineSettings, zone: tzinfo | None = None) -> None:
        self._decoder = Decoder(settings.encoding)
        self.detector = DateDetector(settings.datepattern, zone, settings.timezone)

    @property
    def undecodable(self) -> int:
        """How many lines so far held bytes that are no text in the source's encoding (they are read all the same)."""
        return self._decoder.undecodable

    @property
    def ascii(self) -> bool:
        """Whether bytes below 128 are ASCII wherever they stand, in the source's encoding."""
        return self._decoder.ascii

    @property
    def dated(self) -> bool:
        """False when the lines have no dates by configuration (``datepattern = {NONE}``)."""
        return bool(self.detector.templates)

    def read(self, data: bytes, now: float) -> list[Line]:
        """Return the lines of *data* in order, empty ones too; *now* (Unix seconds) completes dates without year or day."""
        return self.date(self._decoder.lines(data), now)

    def date(self, texts: Iterable[str], now: float) -> list[Line]:
        """Return *texts*, which are decoded already, as lines."""
        find = self.detector.find
        return [_dated(text, find(text, now)) for text in texts]

    def texts(self, data: bytes) -> list[str]:
        """Return the lines of *data* decoded but not yet dated: for `line`, for who leaves some of them out."""
        return self._decoder.lines(data)

    def line(self, text: str, now: float) -> Line:
        """Return *text*, which is decoded already, as a line."""
        return _dated(text, self.detector.find(text, now))


def _dated(text: str, found: Found | None) -> Line:
    if found is None:
        return Line(text, text, None)
    if found.start == found.end:
        return Line(text, text, None, timeless=True)
    return Line(text, text[: found.start] + text[found.end :], found.at)
