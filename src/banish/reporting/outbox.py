"""What waits to be delivered to one service: in order, at a bounded pace, a bounded number of times. Pure: *now* is an argument.

The law: one parcel is on its way at a time, and later ones wait for it. After a failure that may pass (``TryAgain``) the whole
service is left in peace: for as long as it asked for, else for FIRST_PAUSE seconds, twice that, and so on. A parcel that failed
``attempts`` times is dropped. When too many wait, the oldest is: what is told late is worth least.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
LEAST_ASKED, LONGEST_ASKED = 1.0, 86400.0
"""Of what a service asks for (Retry-After): those that count by the day ask for the rest of it."""


class TryAgain(Exception):  # noqa: N818 -- what to do, not what it is
    """It was not delivered, and may be later; *after* seconds, where the service says so."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Refused(Exception):  # noqa: N818
    """It was not delivered, and never will be."""


class Parcel(NamedTuple):
    """*deliver* raises TryAgain or Refused; then *lost*, or else *delivered*, is called, once."""

    deliver: Callable[[], None]
    delivered: Callable[[], None]
    lost: Callable[[str], None]


class Limits(NamedTuple):
    """How much may wait, how many are delivered in a minute, and how often one is tried."""

    waiting: int = 1000
    per_minute: float = 60.0
    attempts: int = 8


class Outbox:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Parcel] = deque()
        self._under_way: Parcel | None = None
        self._failures = 0
        self._not_before = -math.inf

    def __len__(self) -> int:
        return len(self._waiting) + (self._under_way is not None)

    def add(self, parcel: Parcel) -> Parcel | None:
        """Let *parcel* wait, and return the one that had to go for it, if any."""
        gone = self._waiting.popleft() if len(self._waiting) >= self._limits.waiting else None
        self._waiting.append(parcel)
        return gone

    def pause(self, now: float) -> float:
        """Return the seconds until there is something to deliver: 0 for now, infinity when nothing waits."""
        return max(0.0, self._not_before - now) if len(self) else math.inf

    def take(self, now: float) -> Parcel:
        """Return the parcel to deliver now, when ``pause`` is over; ``settle`` or ``fail`` must follow."""
        if self._under_way is None:
            self._under_way = self._waiting.popleft()
        self._not_before = now + 60.0 / self._limits.per_minute
        return self._under_way

    def settle(self) -> None:
        """What was taken is delivered, or never will be."""
        self._under_way, self._failures = None, 0

    def fail(self, after: float | None, now: float) -> bool:
        """What was taken was not delivered; *after* is what the service asks for. Returns False when it is dropped."""
        self._failures += 1
        pause = min(FIRST_PAUSE * 2.0 ** (self._failures - 1), LONGEST_PAUSE)
        if after is not None:
            pause = min(max(after, LEAST_ASKED), LONGEST_ASKED)
        self._not_before = max(self._not_before, now + pause)
        if self._failures < self._limits.attempts:
            return True
        self.settle()
        return False
