"""The endpoint: what it answers, to whom, and that nobody who misbehaves holds it up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from banish.errors import ConfigError
from banish.telemetry import endpoint, exposition
from banish.telemetry.endpoint import Endpoint


@asynccontextmanager
async def serving(where: str, *, well: bool = True) -> AsyncIterator[Endpoint]:
    served = Endpoint(
        lambda wanted: f"openmetrics {wanted}\n", lambda: (well, "ok\n" if well else "disk full \udce9\n")
    )
    await served.open(where)
    try:
        yield served
    finally:
        await served.close()


async def ask(path: str, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def mode(path: str) -> int | None:
    return Path(path).stat().st_mode & 0o777 if Path(path).exists() else None


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "metrics.sock")


def test_both_formats_are_given_to_those_who_ask_for_them(place: str) -> None:
    async def story() -> None:
        async with serving(place):
            head, body = await ask(place, get("/metrics"))
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert f"Content-Type: {exposition.PROMETHEUS}".encode() in head
            assert body == b"openmetrics False\n"
            accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
            head, body = await ask(place, get("/metrics?x=1", accept))
            assert f"Content-Type: {exposition.OPENMETRICS}".encode() in head
            assert body == b"openmetrics True\n"
            head, body = await ask(place, get("/metrics", method="HEAD"))
            assert (b"Content-Length: 18" in head, body) == (True, b"")

    asyncio.run(story())


def test_healthz_says_what_is_wrong(place: str) -> None:
    async def story() -> None:
        async with serving(place):
            assert (await ask(place, get("/healthz")))[1] == b"ok\n"
        async with serving(place, well=False):
            head, body = await ask(place, get("/healthz"))
            assert head.startswith(b"HTTP/1.1 503 ")
            assert body == b"disk full \\udce9\n"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/"), b"200"),
        (get("/secret"), b"404"),
        (get("/metrics", method="POST"), b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x80\x04\xff\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", b"431"),
    ],
)
def test_every_request_gets_its_answer(place: str, request_: bytes, status: bytes) -> None:
    async def story() -> None:
        async with serving(place):
            head, _ = await ask(place, request_)
            assert head.split(b" ")[1] == status
            assert (await ask(place, get("/healthz")))[1] == b"ok\n"

    asyncio.run(story())


def test_silent_clients_are_dropped_and_too_many_turned_away(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PATIENCE", 0.3)
    monkeypatch.setattr(endpoint, "CLIENTS", 3)

    async def story() -> None:
        async with serving(place):
            silent = [await asyncio.open_unix_connection(place) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert (await ask(place, get("/metrics")))[0].startswith(b"HTTP/1.1 503 ")
            for reader, writer in silent:
                assert await reader.read() == b""
                writer.close()
            assert (await ask(place, get("/healthz")))[1] == b"ok\n"

    asyncio.run(story())


def test_a_place_can_be_changed_and_a_socket_left_behind_is_replaced(place: str) -> None:
    async def story() -> None:
        Path(place).parent.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(place)
        async with serving(place) as served:
            assert (await ask(place, get("/healthz")))[1] == b"ok\n"
            assert mode(place) == 0o660
            with pytest.raises(ConfigError, match="in use by another program"):
                await Endpoint(lambda _: "", lambda: (True, "")).open(place)
            with pytest.raises(ConfigError, match=r"cannot be listened on|no socket"):
                await served.open("/proc/metrics")
            assert (await ask(place, get("/healthz")))[1] == b"ok\n", "what was open stays open"
            await served.open("off")
            assert mode(place) is None

    asyncio.run(story())


def test_on_a_loopback_address(unused_port: int) -> None:
    async def story() -> None:
        async with serving(f"127.0.0.1:{unused_port}"):
            reader, writer = await asyncio.open_connection("127.0.0.1", unused_port)
            writer.write(get("/healthz"))
            assert (await reader.read()).endswith(b"\r\n\r\nok\n")
            writer.close()

    asyncio.run(story())


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("0.0.0.0:9191", "is not a loopback address"),
        ("192.0.2.1:9191", "is not a loopback address"),
        ("[2001:db8::1]:9191", "is not a loopback address"),
        ("127.0.0.1", "neither a path nor an address"),
        ("127.0.0.1:0", "has no port"),
        ("::1:port", "has no port"),
        ("example.org:80", "neither a path nor an address"),
    ],
)
def test_what_others_could_reach_is_refused(where: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        endpoint.parse(where)
    assert caught.value.problem.option == "metrics"
    assert "/run/banish/metrics.sock" in caught.value.problem.remedy
