"""Turns a batch of bytes into dated lines.

A line in which looking for a date takes too long (see ``patience``) is given up: an empty line takes its place, which no filter
finds anything in. To judge it without its date would be to judge another line than was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from banish.lines.decoding import Decoder
from banish.lines.detector import DateDetector, Found
from banish.model import Line
from banish.patience import ENDLESS, LONG, GivenUp, Patience, Place


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

    def __init__(self, settings: LineSettings, zone: tzinfo | None = None, patience: Patience = ENDLESS) -> None:
        self.settings = settings
        self._decoder = Decoder(settings.encoding)
        self.detector = DateDetector(settings.datepattern, zone, settings.timezone)
        self._patience = patience
        self._calm = self.detector.calm

    @property
    def undecodable(self) -> int:
        """How many of the lines that somebody looked at held bytes that are no text in the source's encoding, NUL among them."""
        return self._decoder.undecodable

    @property
    def dated(self) -> bool:
        """False when the lines have no dates by configuration (``datepattern = {NONE}``)."""
        return bool(self.detector.templates)

    def read(self, data: bytes, now: float) -> list[Line]:
        """Return the lines of *data* in order, empty ones too; *now* (Unix seconds) completes dates without year or day."""
        return self.read_texts(self._decoder.lines(data), now)

    def read_texts(self, texts: Sequence[str], now: float) -> list[Line]:
        """Return *texts*, which are decoded already, as lines."""
        if self._calm and len(max(texts, key=len, default="")) <= LONG:
            find = self.detector.find
            return [_dated(text, find(text, now)) for text in texts]
        return [self.line(text, now) for text in texts]

    @property
    def bytewise(self) -> bool:
        """See ``Decoder.bytewise``: only then lines may be left out."""
        return self._decoder.bytewise

    @property
    def encoding(self) -> str:
        """The name of the codec."""
        return self._decoder.encoding

    def texts(self, data: bytes) -> list[str]:
        """Return the lines of *data* decoded but not yet dated: for `line`, for who leaves some of them out."""
        return self._decoder.lines(data)

    def text(self, data: bytes, *, first: bool) -> str:
        """Return one line, where ``bytewise``; *first*: it is the first of its batch."""
        return self._decoder.line(data, first=first)

    def line(self, text: str, now: float) -> Line:
        """Return *text*, which is decoded already, as a line."""
        try:
            return _dated(text, self.date(text, now))
        except GivenUp:
            return Line("", "", None)

    def steady(self, text: str) -> bool:
        """Tell whether it is certain that reading *text* leaves the detector as it is; never when finding that out may take long."""
        if len(text) > LONG:
            return False
        if self._calm:
            return self.detector.steady(text)
        patience = self._patience
        try:
            patience.text = text
            return self.detector.steady(text)
        except GivenUp:
            return False
        finally:
            patience.text = None

    def date(self, text: str, now: float) -> Found | None:
        """Return the date in *text*, None when there is none. Raises GivenUp."""
        if self._calm and len(text) <= LONG:
            return self.detector.find(text, now)
        patience = self._patience
        try:
            if not self._calm and len(text) > patience.limit:
                return self.detector.find_apart(text, now, patience)
            patience.text = text
            return self.detector.find(text, now)
        except GivenUp:
            patience.text = None
            patience.gave_up(text, Place("datepattern"))
            raise
        finally:
            patience.text = None


def _dated(text: str, found: Found | None) -> Line:
    if found is None:
        return Line(text, text, None)
    if found.start == found.end:
        return Line(text, text, None, timeless=True)
    return Line(text, text[: found.start] + text[found.end :], found.at)
