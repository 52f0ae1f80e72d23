"""Addresses to host names, for commands that ask for ``<ip-host>``.

Law: nothing is raised, and nobody waits longer than DEADLINE: an address without a name, or without an answer in time, has the
empty name. gethostbyaddr(3) blocks, so each look-up has a thread of its own, THREADS at most; while that many hang on a name
server there are no names. Answers are kept for five minutes, ENTRIES of them: the oldest goes first.

The name is whatever the owner of the address wrote into the reverse zone: untrusted text.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from threading import Thread
from typing import NamedTuple

LIFETIME = 300.0
DEADLINE = 5.0
THREADS = 8
ENTRIES = 1000

Lookup = Callable[[str], str]
"""Blocking: the name of an address as text; may raise OSError or ValueError."""


def gethostbyaddr(address: str) -> str:
    """Return the name that the system knows for *address*; raises OSError when there is none."""
    return socket.gethostbyaddr(address)[0]


class _Answer(NamedTuple):
    name: str
    until: float


class Hosts:
    """A reverse resolver with a memory, to be used from one event loop. It has nothing to close: its threads end by themselves."""

    def __init__(self, lookup: Lookup = gethostbyaddr, *, deadline: float = DEADLINE) -> None:
        self._lookup = lookup
        self._deadline = deadline
        self._answers: dict[str, _Answer] = {}
        self._threads = 0

    async def name_of(self, address: str, now: float) -> str:
        """Return the host name of *address*, "" when there is none."""
        answer = self._answers.get(address)
        if answer is not None and now < answer.until <= now + LIFETIME:
            return answer.name
        if self._threads >= THREADS:
            return ""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[str] = loop.create_future()
        self._threads += 1
        # Not an executor: Python waits for an executor's threads when it ends.
        Thread(target=self._work, args=(loop, asked, address), name="host", daemon=True).start()
        try:
            async with asyncio.timeout(self._deadline):
                name = await asked
        except TimeoutError:
            name = ""
        self._answers.pop(address, None)
        self._answers[address] = _Answer(name, now + LIFETIME)
        while len(self._answers) > ENTRIES:
            del self._answers[next(iter(self._answers))]
        return name

    def _work(self, loop: asyncio.AbstractEventLoop, asked: asyncio.Future[str], address: str) -> None:
        try:
            name = self._lookup(address)
        except (OSError, ValueError):
            name = ""
        try:
            loop.call_soon_threadsafe(self._answered, asked, name)
        except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
            return

    def _answered(self, asked: asyncio.Future[str], name: str) -> None:
        self._threads -= 1
        if not asked.done():
            asked.set_result(name)
