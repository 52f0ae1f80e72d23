"""Host names to addresses: the resolver is ours, so that no name server is asked and time is what we say."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

from banish.addresses import Network, parse
from banish.lookups import names as module
from banish.lookups.names import LIFETIME, Names


def nets(*texts: str) -> tuple[Network, ...]:
    found = tuple(parse(text) for text in texts)
    return tuple(each for each in found if each is not None)


class NameServer:
    """Answers from a table, and counts; a name that is not in it does not exist."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", "."): found for name, found in table.items()}
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Iterable[str]:
        with self._lock:
            self.asked.append(name)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            assert self.open.wait(10)
        finally:
            with self._lock:
                self.at_once -= 1
        if name not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.table[name]


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer(bad_example_org=["192.0.2.7", "2001:db8::7", "192.0.2.7", "198.51.100.1"])
    yield server
    server.open.set()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(within_the_deadline())


def test_all_addresses_each_once_in_the_servers_order(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        assert await names.resolve("bad.example.org", 0) == nets("192.0.2.7", "2001:db8::7", "198.51.100.1")
        names.close()

    run(story)


def test_answers_are_kept_for_five_minutes_and_empty_ones_too(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        for now in (0.0, 1.0, LIFETIME - 1):
            assert len(await names.resolve("Bad.Example.ORG.", now)) == 3
            assert await names.resolve("nobody.example.org", now) == ()
        assert server.asked == ["bad.example.org", "nobody.example.org"]
        await names.resolve("bad.example.org", LIFETIME)
        assert server.asked[2:] == ["bad.example.org"]
        names.close()

    run(story)


def test_a_clock_set_back_does_not_keep_answers_for_ever(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        await names.resolve("bad.example.org", 1e9)
        assert names.known("bad.example.org", 1e9 + 1) is not None
        assert names.known("bad.example.org", 1e9 - 10_000) is None
        names.close()

    run(story)


def test_many_who_ask_for_one_name_ask_once(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        found = await asyncio.gather(*(names.resolve("bad.example.org", 0) for _ in range(100)))
        assert len(set(found)) == 1
        assert server.asked == ["bad.example.org"]
        names.close()

    run(story)


def test_no_more_than_four_questions_at_once(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        await asyncio.gather(*(names.resolve(f"{number}.example.org", 0) for number in range(50)))
        assert len(server.asked) == 50
        assert server.most_at_once <= 4
        names.close()

    run(story)


def test_a_slow_name_server_gets_no_more_than_the_deadline(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server, deadline=0.02)
        server.open.clear()
        assert await names.resolve("bad.example.org", 0) == ()
        assert names.known("bad.example.org", 1) == ()
        server.open.set()
        async with asyncio.timeout(5):
            while not names.known("bad.example.org", 1):  # noqa: ASYNC110  the late answer comes from a thread
                await asyncio.sleep(0.001)
        names.close()

    run(story)


def test_the_cache_drops_what_was_asked_for_longest_ago(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server, entries=2)
        for name in ("a.example.org", "b.example.org", "a.example.org", "c.example.org"):
            await names.resolve(name, 0)
        assert names.known("a.example.org", 1) == ()
        assert names.known("b.example.org", 1) is None
        names.close()

    run(story)


def test_too_many_names_at_once_are_not_asked_for(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server, waiting=3)
        server.open.clear()
        asking = [asyncio.create_task(names.resolve(f"{number}.example.org", 0)) for number in range(3)]
        await asyncio.sleep(0)
        assert await names.resolve("bad.example.org", 0) == ()
        server.open.set()
        await asyncio.gather(*asking)
        assert len(await names.resolve("bad.example.org", 0)) == 3
        names.close()

    run(story)


def test_an_address_is_its_own_answer(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        assert await names.resolve("192.0.2.7", 0) == nets("192.0.2.7")
        assert await names.resolve("::ffff:192.0.2.7", 0) == nets("192.0.2.7")
        assert server.asked == []

    run(story)


@pytest.mark.parametrize("name", ["", ".", "a" * 254, "a\0b.example.org"])
def test_what_cannot_be_a_name_is_not_asked_for(server: NameServer, name: str) -> None:
    async def story() -> None:
        assert await Names(server).resolve(name, 0) == ()
        assert server.asked == []

    run(story)


@pytest.mark.parametrize("error", [OSError(5, "io"), UnicodeError("label too long"), ValueError("odd")])
def test_a_resolver_that_fails_finds_nothing(error: Exception) -> None:
    def fail(name: str) -> Iterable[str]:
        raise error

    async def story() -> None:
        names = Names(fail)
        assert await names.resolve("bad.example.org", 0) == ()
        names.close()

    run(story)


def test_a_link_local_answer_has_no_zone() -> None:
    async def story() -> None:
        names = Names(lambda name: ["fe80::1%eth0", "not an address"])
        assert await names.resolve("printer.example.org", 0) == nets("fe80::1")
        names.close()

    run(story)


def test_closing_answers_who_waits_and_ends_the_threads(server: NameServer) -> None:
    async def story() -> None:
        names = Names(server)
        server.open.clear()
        asking = asyncio.create_task(names.resolve("bad.example.org", 0))
        while not server.asked:  # noqa: ASYNC110  asked in a thread
            await asyncio.sleep(0.001)
        names.close()
        assert await asking == ()
        assert await names.resolve("bad.example.org", 0) == ()

    before = set(threading.enumerate())
    run(story)
    server.open.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_the_systems_resolver_knows_the_loopback_address() -> None:
    assert module.getaddrinfo("127.0.0.1") == ["127.0.0.1"]
