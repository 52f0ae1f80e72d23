"""Writes into the log what happened to bans, a line each as fail2ban does; beside other work when there are very many.

What is told together comes in its order. The first lines are written at once, so that few bans are told when it happens; the others
come behind those that wait already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from banish.daemon.logbook import Logbook
from banish.model import Decision

SLICE = 1000
"""Lines that are written in one go."""


class Telling:
    """To be used from one event loop."""

    def __init__(self, logbook: Logbook) -> None:
        self._logbook = logbook
        self._waiting: deque[tuple[str, Sequence[Decision]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def tell(self, what: str, bans: Sequence[Decision]) -> None:
        """Write *what* happened to each of *bans*: ``Unban``, ``Restore Ban``."""
        self._write(what, bans, 0)
        if len(bans) > SLICE:
            self._waiting.append((what, bans))
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._go_on())

    async def told(self) -> None:
        """Wait until all has been written."""
        if self._task is not None:
            await self._task

    async def _go_on(self) -> None:
        while self._waiting:
            what, bans = self._waiting.popleft()
            for start in range(SLICE, len(bans), SLICE):
                await asyncio.sleep(0)
                self._write(what, bans, start)

    def _write(self, what: str, bans: Sequence[Decision], start: int) -> None:
        texts = [f"[{ban.jail}] {what} {ban.id}" for ban in bans[start : start + SLICE]]
        self._logbook.say_all("actions", "NOTICE", texts)
