"""A stretch of a source on its way to the jails: the bytes as written, and their lines once somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

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
    def lines(self) -> list[Line]:
        """The lines in order."""
        return self.reader.read(self.data, self.now)
