"""How long expressions may take over a line.

An expression of Python's ``re`` may take seconds, or for ever, over a line that somebody made for it. So whoever drives the
heart lends each of its parts a `Patience`, and may raise `GivenUp` in the middle of a search: ``re`` looks for signals while
it searches. The heart's side of the bargain:

* ``patience.text`` is what is being searched, and None at all other times, when state is changed and nothing may be raised;
* a text longer than ``patience.limit`` is not searched here but by ``patience.apart``: ``re`` looks for signals only every
  few thousand steps, each of which may go over the whole text, so that searching a long one cannot be interrupted in time;
* a line that was given up is no failure, and leaves nothing behind.

Nothing here measures or interrupts: what does is ``daemon/guard.py``. Without it, patience is endless.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

LONG = 4096
"""Characters beyond which a search may take too long (some 50 ms) before it can be interrupted."""

Trial = Callable[[Any, Callable[[int], None]], None]
"""A search, done by somebody else: (what it is about, as plain values; where to tell what was found, in integers)."""


class Place(NamedTuple):
    """Which expression was at work."""

    option: str
    number: int | None = None
    """In the list of *option*, from 0; None when there is only one, or it is not known."""


class GivenUp(Exception):  # noqa: N818 -- what happened, not what it is
    """A search took too long. Raised by whoever measures, while ``text`` is set."""

    place: Place | None = None


class Patience:
    """Endless patience; those who measure derive from it."""

    __slots__ = ("limit", "text")

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        """Characters; a longer text goes to `apart`."""
        self.text: str | None = None
        """What is being searched now."""

    def apart(self, trial: Trial, about: Any, text: str) -> Sequence[int]:
        """Return what *trial* tells *about* a long *text*; what it told before its time was over, when that happens."""
        told: list[int] = []
        trial(about, told.append)
        return told

    def gave_up(self, text: str, place: Place) -> None:
        """Take note that *text* was given up at *place*."""


ENDLESS = Patience()
