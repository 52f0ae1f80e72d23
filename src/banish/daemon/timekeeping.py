"""Notices that the clock was set, or that the machine slept.

A ban lasts as long as it was to last, by a clock that nobody sets: CLOCK_BOOTTIME (clock_gettime(2)) counts the seconds since the
machine started, those in which it slept included. So who sets the wall clock neither ends bans nor prolongs them; what time it is
when they end is written anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

JUMP = 2.0
"""Seconds by which the wall clock must leave the other one to count as set; slewing (adjtime(3)) and leap seconds stay below."""

Mark = tuple[str, float]
"""Which boot it was, and by how many seconds the wall clock was ahead of the time since."""


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Timekeeping:
    """*wall* is the clock that people set, *since_boot* the one that nobody does, *awake* stands still while the machine sleeps."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = _boottime,
        awake: Callable[[], float] = time.monotonic,
        boot: Callable[[], str] = _boot_id,
    ) -> None:
        self._wall = wall
        self._since_boot = since_boot
        self._awake = awake
        self._boot = boot()
        self._ahead = wall() - since_boot()
        self._asleep = since_boot() - awake()

    @property
    def mark(self) -> Mark:
        """What to keep for `jumped_since`."""
        return self._boot, self._ahead

    def jumped(self) -> float:
        """Return by how many seconds the wall clock was set since the last call; 0 when it was not."""
        ahead = self._wall() - self._since_boot()
        jump, self._ahead = ahead - self._ahead, ahead
        return jump if abs(jump) > JUMP else 0.0

    def jumped_since(self, mark: object) -> float | None:
        """Return by how many seconds it was set since *mark* was made, 0 when it was not; None when that was before this boot."""
        match mark:
            case (str(boot), float(ahead)) if boot and boot == self._boot:
                jump = self._ahead - ahead
                return jump if abs(jump) > JUMP else 0.0
        return None

    def began(self, now: float) -> float:
        """Return when the machine was started, by a wall clock that says *now*."""
        return now - self._since_boot()

    def slept(self) -> float:
        """Return how many seconds the machine has slept since the last call; 0 when it has not."""
        asleep = self._since_boot() - self._awake()
        nap, self._asleep = asleep - self._asleep, asleep
        return nap if nap > JUMP else 0.0
