"""Lines that do not begin as the others of their log: those whose dates cannot be taken for granted.

How lines begin is learnt from the last line whose date is as expected (``form``), and again when many do not: the month is
another, or the log writes its dates in several ways. That costs milliseconds, so each time twice as many must have been met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from banish.lines import form
from banish.lines.datepattern import Template
from banish.model import Line

Find = Callable[[bytes], Sequence[int]]
"""From data to the offsets of the lines that do not begin as they should."""
Places = Sequence[frozenset[bytes]]

_MANY = 64


class Strays:
    """The strays of a log whose dates *template* finds at the lines' begin; *finder* makes what looks for them."""

    def __init__(self, template: Template, finder: Callable[[Places], Find]) -> None:
        self._template = template
        self._finder = finder
        self._places: Places | None = None
        self._find: Find | None = None
        self._met = 0
        self._many = _MANY

    @property
    def known(self) -> bool:
        """Whether it is known how lines begin; until then no strays are found. ``learn`` helps."""
        return self._find is not None

    def offsets(self, data: bytes) -> Sequence[int]:
        """Return where the strays in *data* begin, in order."""
        found = self._find(data) if self._find is not None else ()
        self._met += len(found)
        return found

    def learn(self, lines: Iterable[Line], real: Callable[[str], bool]) -> None:
        """Learn from *lines*, the last ones first, if there is need to; *real* tells whether the date of a line is one."""
        if self.known and self._met < self._many:
            return
        for line in lines:
            learnt = form.learn(self._template, line.text, real) if line.at is not None else None
            if learnt is None:
                continue
            if self.known:
                self._met = 0
                self._many *= 2
            if learnt != self._places:
                self._places, self._find = learnt, self._finder(learnt)
            return
