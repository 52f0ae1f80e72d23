"""What is counted while the daemon works, beyond what its rooms know anyway.

The law: a line costs nothing here. What is measured is measured once for a batch, a match or a ban.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from time import perf_counter

from banish.model import Change

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets: from a millisecond, which a ban takes, to a minute, which a late log may."""


class Histogram:
    """How often a value fell below each of *bounds* (ascending)."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Take in *value*, seen *times* times."""
        self._counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def cumulative(self) -> list[tuple[float, int]]:
        """Return each bound with how many values were not above it; ``math.inf`` is the last."""
        found, total = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self._counts, strict=True):
            total += count
            found.append((bound, total))
        return found


class Measures:
    """The meters of the spine."""

    def __init__(self) -> None:
        self.filter_seconds: defaultdict[str, float] = defaultdict(float)
        """By jail, the time that its lines took to be judged."""
        self.batches = 0
        self.judging_seconds = 0.0
        """All of it, what finds the lines that matter included."""
        self.ignored: Counter[str] = Counter()
        """By jail, matches that were not counted because of who it was."""
        self.refused: Counter[str] = Counter()
        """By jail, bans that were not made because they would have locked somebody out."""
        self.line_to_ban = Histogram()
        """From the time that a line states (often whole seconds) until its ban is in force."""
        self.read_to_ban = Histogram()
        """From when the line was read until its ban is in force."""

    def judged(self, seconds: float) -> None:
        """Take in that a batch took *seconds*."""
        self.batches += 1
        self.judging_seconds += seconds

    def in_force(self, changes: Iterable[Change], now: float, began: float) -> None:
        """Take in that *changes* have just been carried out, of a batch that was read at *now*, by ``perf_counter`` at *began*."""
        took = perf_counter() - began
        for op, decision in changes:
            if op == "ban" and decision.origin == "jail":
                self.read_to_ban.add(took)
                self.line_to_ban.add(max(0.0, now + took - decision.at))
