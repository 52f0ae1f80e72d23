"""How long lines gather before they are read: to wake a process up costs as much as some hundred lines.

Where little is written, lines are read at once, and so is the first one after a pause. The time grows as the square root of what is
written: four times the lines, half the wake-ups for each. Who attacks a server that writes a hundred lines a second has 50 ms longer
for his next try, at most.
"""

from __future__ import annotations

import math

LEAST, MOST = 0.005, 0.5
"""Seconds between two wake-ups at least, where little is written, and from `BUSY` bytes a second on."""
BUSY = 800_000
_RECENTLY = 0.5
"""Seconds that the rate of writing is an average over."""


class Pace:
    """That of one reader, who begins at *now*: seconds that never go back, as all that it is told."""

    def __init__(self, now: float) -> None:
        self.read = 0
        """Bytes read since the last wake-up."""
        self._rate = 0.0
        self._gather = 0.0
        self._woken = now

    def rest(self, now: float) -> float:
        """Return how many seconds are left of the time that lines have to gather."""
        return min(self._woken + self._gather - now, self._gather)  # whatever the clock does

    def wake(self, now: float) -> None:
        """Take note that reading goes on."""
        past = max(now - self._woken, 1e-6)
        self._rate += (self.read / past - self._rate) * min(1.0, past / _RECENTLY)
        self._gather = max(LEAST, MOST * math.sqrt(min(1.0, self._rate / BUSY)))
        self._woken, self.read = now, 0
