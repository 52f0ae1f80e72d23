"""How long lines gather before they are read: to wake a process up costs as much as some hundred lines.

Where little is written, lines are read at once, and so is the first one after a pause. The time grows with what is written, though
slower than that: ten times the lines, five times as long, half the wake-ups for each. But it is never longer than it takes until
there is `ENOUGH` to do, for then a wake-up counts little: who attacks a server is not left alone because its log is long.
"""

from __future__ import annotations

LEAST, MOST = 0.005, 1.0
"""Seconds between two wake-ups at least, where little is written, and from `BUSY` bytes a second on."""
BUSY = 500_000
ENOUGH = 0.01
"""Seconds of work."""
_GROWTH = 0.7
_RECENTLY = 0.5
"""Seconds that rates are averages over."""


class Pace:
    """That of one reader, who begins at *now*: seconds that never go back, as all that it is told."""

    def __init__(self, now: float) -> None:
        self.read = 0
        """Bytes read since the last wake-up."""
        self.worked = 0.0
        """Seconds that were spent on them."""
        self._rate = self._load = 0.0
        self._gather = 0.0
        self._woken = now

    def rest(self, now: float) -> float:
        """Return how many seconds are left of the time that lines have to gather."""
        return min(self._woken + self._gather - now, self._gather)  # whatever the clock does

    def wake(self, now: float) -> None:
        """Take note that reading goes on."""
        past = max(now - self._woken, 1e-6)
        share = min(1.0, past / _RECENTLY)
        self._rate += (self.read / past - self._rate) * share
        self._load += (self.worked / past - self._load) * share
        gather = MOST * min(1.0, self._rate / BUSY) ** _GROWTH
        self._gather = max(LEAST, min(gather, ENOUGH / max(self._load, 1e-6)))
        self._woken, self.read, self.worked = now, 0, 0.0
