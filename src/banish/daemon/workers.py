"""Work that goes on for as long as the daemon runs: begun again when it fails, and done at the same strokes of the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from banish.daemon.logbook import Logbook

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until what failed by a bug of ours begins again: 1, 2, 4 … 60."""


async def for_ever(work: Callable[[], Awaitable[None]], logbook: Logbook) -> None:
    """Do *work*, and begin again when it fails: whatever a bug may be, the rest of the protection goes on."""
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        try:
            await work()
            return
        except Exception as error:  # noqa: BLE001 - see above
            logbook.bug("server", f"{work.__name__} failed and begins again in {pause:.0f} s", error)
        await asyncio.sleep(pause)
        pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)


async def stroke(every: float) -> None:
    """Sleep until the loop's clock is at a multiple of *every* seconds: what is due at the same time wakes the system once."""
    await asyncio.sleep(every - asyncio.get_running_loop().time() % every)
