"""Host names to addresses, without the event loop ever waiting for a name server.

getaddrinfo(3) blocks, so it runs in a few threads of its own; it is asked because it is what the system is configured to use
(hosts file, resolver, nsswitch). Answers are kept for five minutes, an empty one as well: a log full of one bad name asks once.

Law: nothing is raised; a name that cannot be resolved, or not in time, has no addresses. *now* is an argument (Unix seconds or
any other clock that does not go back). The cache is bounded: when it is full the answer that was asked for longest ago goes first.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from banish.addresses import Network, parse

LIFETIME = 300.0
"""Seconds that an answer is kept."""
DEADLINE = 5.0
"""Seconds after which a name has no addresses, whatever the name server says later."""
THREADS = 4
ENTRIES = 10_000
WAITING = 1000
"""Names asked for at once at most; beyond, a name has no addresses (and is not remembered so)."""
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, without the final dot

Resolve = Callable[[str], Iterable[str]]
"""Blocking: the addresses of a name as text; may raise OSError or ValueError."""


class _Answer(NamedTuple):
    networks: tuple[Network, ...]
    until: float


class _Question(NamedTuple):
    name: str
    now: float
    loop: asyncio.AbstractEventLoop
    asked: asyncio.Future[tuple[Network, ...]]


def getaddrinfo(name: str) -> list[str]:
    """Return the addresses that the system knows for *name*, A and AAAA, in its order of preference."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


class Names:
    """A resolver with a memory. To be used from one event loop; ``close`` when done."""

    def __init__(
        self,
        resolve: Resolve = getaddrinfo,
        *,
        lifetime: float = LIFETIME,
        deadline: float = DEADLINE,
        threads: int = THREADS,
        entries: int = ENTRIES,
        waiting: int = WAITING,
    ) -> None:
        self._resolve = resolve
        self._lifetime = lifetime
        self._deadline = deadline
        self._threads = threads
        self._entries = entries
        self._waiting = waiting
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asked: dict[str, asyncio.Future[tuple[Network, ...]]] = {}
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._workers: list[Thread] = []
        self._closed = False
        self.ipv6 = True
        """Whether addresses of IPv6 are among the answers; see `allow_ipv6`."""

    def known(self, name: str, now: float) -> tuple[Network, ...] | None:
        """Return the remembered addresses of *name*, None when it has to be asked for."""
        key = _key(name)
        answer = self._answers.get(key)
        if answer is None:
            return None
        if not now < answer.until <= now + self._lifetime:  # too old, or the clock was set back
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return answer.networks

    async def resolve(self, name: str, now: float) -> tuple[Network, ...]:
        """Return all addresses of *name* as host networks, each once, in the resolver's order; ``()`` when there are none.

        Who asks for a name that is being asked for waits for the same answer.
        """
        key = _key(name)
        address = parse(key)
        if address is not None:
            return (address,)
        remembered = self.known(key, now)
        if remembered is not None:
            return remembered
        if not key or len(key) > _LONGEST_NAME or "\0" in key or self._closed:
            return ()
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= self._waiting:
                return ()
            asked = self._ask(key, now)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(asked)
        except TimeoutError:
            self._remember(key, _Answer((), now + self._lifetime))
            return ()

    def allow_ipv6(self, allowed: bool) -> None:
        """Have addresses of IPv6 among the answers or not, from now on (fail2ban.conf(5) ``allowipv6``)."""
        if allowed != self.ipv6:
            self.ipv6 = allowed
            self._answers.clear()

    def close(self) -> None:
        """Forget everything and let the threads end; who still waits gets no addresses. Does not wait for a name server."""
        self._closed = True
        for future in self._asked.values():
            if not future.done():
                future.set_result(())
        self._asked.clear()
        self._answers.clear()
        for _ in self._workers:
            self._questions.put(None)

    def _ask(self, key: str, now: float) -> asyncio.Future[tuple[Network, ...]]:
        if len(self._workers) < self._threads:
            # Not an executor: Python waits for an executor's threads when it ends, and a name server may take half a minute.
            worker = Thread(target=self._work, name=f"names-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[tuple[Network, ...]] = loop.create_future()
        self._asked[key] = asked
        self._questions.put(_Question(key, now, loop, asked))
        return asked

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            networks = () if self._closed else self._addresses(question.name)
            try:
                question.loop.call_soon_threadsafe(self._answered, question, networks)
            except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
                return

    def _addresses(self, key: str) -> tuple[Network, ...]:
        try:
            found = [parse(text.partition("%")[0]) for text in self._resolve(key)]
        except (
            OSError,
            ValueError,
        ):  # ValueError, of which UnicodeError is one: a name that no resolver can be asked for
            return ()
        wanted = (network for network in found if network is not None and (self.ipv6 or network.version == 4))
        return tuple(dict.fromkeys(wanted))

    def _answered(self, question: _Question, networks: tuple[Network, ...]) -> None:
        if self._asked.get(question.name) is question.asked:
            del self._asked[question.name]
        if not self._closed:
            self._remember(question.name, _Answer(networks, question.now + self._lifetime))
        if not question.asked.done():
            question.asked.set_result(networks)

    def _remember(self, key: str, answer: _Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > self._entries:
            self._answers.popitem(last=False)


def _key(name: str) -> str:
    return name.strip().rstrip(".").lower()
