"""A stretch of a source on its way to the jails: the bytes as written, and their lines once somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from banish.lines.datepattern import Template
from banish.lines.reader import LineReader
from banish.model import Line


class Stretch:
    """Whole lines of one source, read at *now* (Unix seconds). Iterating decodes and dates them, once for all who ask."""

    def __init__(self, data: bytes, reader: LineReader, now: float) -> None:
        self.data = data
        self.reader = reader
        self.now = now

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    @cached_property
    def template(self) -> Template | None:
        """The date template that the source was locked to when the first of these lines was looked at; None when there was none."""
        return self.reader.detector.locked

    @cached_property
    def texts(self) -> list[str]:
        """The lines as written, decoded but not yet dated."""
        return self.reader.texts(self.data)

    @cached_property
    def lines(self) -> list[Line]:
        """The lines in order."""
        _ = self.template  # before reading may change it
        return self.reader.date(self.texts, self.now)

    def line(self, index: int) -> Line | None:
        """Return the line at *index*, as it is among `lines`, without reading the others.

        None when that cannot be done: the date of this line changes where those of the next ones are looked for, or `lines` have
        been read already and may have done so. (Who asks knows that the lines before it have the expected date.)
        """
        if "lines" in self.__dict__ or not self.reader.detector.steady(self.texts[index]):
            return None
        return self.reader.line(self.texts[index], self.now)
