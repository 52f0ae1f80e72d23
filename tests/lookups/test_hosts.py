"""Addresses to names: the resolver is ours, so that no name server is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from banish.lookups import hosts as module
from banish.lookups.hosts import LIFETIME, Hosts


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(within_the_deadline())


def test_names_are_kept_for_five_minutes_and_missing_ones_too() -> None:
    asked: list[str] = []

    def lookup(address: str) -> str:
        asked.append(address)
        if address == "192.0.2.8":
            raise OSError("no such host")
        return "evil.example.org"

    async def story() -> None:
        hosts = Hosts(lookup)
        for now in (0.0, LIFETIME - 1):
            assert await hosts.name_of("192.0.2.7", now) == "evil.example.org"
            assert await hosts.name_of("192.0.2.8", now) == ""
        assert asked == ["192.0.2.7", "192.0.2.8"]
        await hosts.name_of("192.0.2.7", LIFETIME)
        await hosts.name_of("192.0.2.7", -1.0)  # the clock was set back
        assert asked == ["192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.7"]

    run(story)


def test_a_name_server_that_hangs_is_not_waited_for_and_does_not_collect_threads() -> None:
    gate = threading.Event()
    started: list[str] = []

    def lookup(address: str) -> str:
        started.append(address)
        assert gate.wait(10)
        return "late.example.org"

    async def story() -> None:
        hosts = Hosts(lookup, deadline=0.01)
        names = [await hosts.name_of(f"192.0.2.{number}", 0.0) for number in range(module.THREADS + 3)]
        assert set(names) == {""}
        assert len(started) == module.THREADS
        gate.set()
        while await hosts.name_of("192.0.2.99", 400.0) == "":  # noqa: ASYNC110  threads become free
            await asyncio.sleep(0.01)

    try:
        run(story)
    finally:
        gate.set()


def test_the_oldest_answer_goes_first() -> None:
    asked: list[str] = []

    def lookup(address: str) -> str:
        asked.append(address)
        return "x.example.org"

    async def story() -> None:
        hosts = Hosts(lookup)
        for number in range(module.ENTRIES + 1):
            await hosts.name_of(f"id{number}", 0.0)
        await hosts.name_of("id1", 0.0)
        await hosts.name_of("id0", 0.0)
        assert asked[module.ENTRIES :] == [f"id{module.ENTRIES}", "id0"]

    run(story)
