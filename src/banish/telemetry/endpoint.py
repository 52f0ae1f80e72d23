"""The endpoint for metrics: a small HTTP server on a unix socket, or on a loopback address.

One side speaks HTTP/1.1 (``GET`` and ``HEAD`` of ``/metrics`` and ``/healthz``; one request a connection), the other is a pair of
functions. What is exposed tells attackers who is banned and how much is read, so any other address is refused.

The law: nobody who asks can hurt the daemon. A request has a longest size and a longest time; the number of clients is bounded, and
what is asked for in quick succession is made once (`FRESH`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from banish.errors import ConfigError, Problem
from banish.telemetry import exposition

CLIENTS = 16
PATIENCE = 5.0
"""Seconds for a request to arrive, and for an answer to be taken."""
FRESH = 0.5
"""Seconds for which an answer is given again: some scrape in pairs, some by mistake in loops."""
_REQUEST = 8192
_FAREWELL = 0.2
"""Seconds for one who is turned away."""

Metrics = Callable[[bool], str]
"""Makes the text; whether OpenMetrics is wanted."""
Health = Callable[[], tuple[bool, str]]
"""Says whether all is well, and what is not."""


def parse(where: str) -> str | tuple[str, int] | None:
    """Return what ``metrics`` names: a path, an address with its port, or None for ``off``.

    Raises ConfigError for what is neither, and for an address that is not of this machine alone.

    >>> parse("/run/banish/metrics.sock"), parse("127.0.0.1:9191"), parse("[::1]:9191"), parse("off")
    ('/run/banish/metrics.sock', ('127.0.0.1', 9191), ('::1', 9191), None)
    """
    text = where.strip()
    if text.lower() in ("", "off", "no", "none", "false"):
        return None
    if text.startswith("/") and "\0" not in text:
        return text
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    remedy = "off, a path such as /run/banish/metrics.sock, or a loopback address with a port such as 127.0.0.1:9191"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise _wrong("is neither a path nor an address with a port", remedy, where) from None
    if not colon or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _wrong("has no port from 1 to 65535", remedy, where)
    if not address.is_loopback:
        raise _wrong("is not a loopback address: anybody could read who is banned", remedy, where)
    return host, int(port)


class Endpoint:
    """Serves *metrics* and *health*; ``open`` may be called again with another place (a reload)."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health
        self._server: asyncio.Server | None = None
        self._where = ""
        self._inode: tuple[str, int] | None = None
        self._clients = 0
        self._made: dict[bool, tuple[float, bytes]] = {}

    async def open(self, where: str) -> None:
        """Listen at *where* (see `parse`), and no longer where it was. Raises ConfigError; what was open stays open then."""
        if where == self._where:
            return
        place = parse(where)
        try:
            server = await self._listen(place, where)
        except OSError as error:
            reason = error.strerror or str(error)
            raise _wrong(f"cannot be listened on: {reason}", "name another path or port", where) from error
        await self.close()
        self._server, self._where = server, where
        if isinstance(place, str):
            self._inode = place, os.stat(place).st_ino

    async def close(self) -> None:
        """Stop listening; a socket of ours is removed."""
        server, self._server, self._where = self._server, None, ""
        if server is not None:
            server.close()
        if self._inode is not None:
            path, inode = self._inode
            self._inode = None
            with suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)

    async def _listen(self, place: str | tuple[str, int] | None, where: str) -> asyncio.Server | None:
        if place is None:
            return None
        if isinstance(place, tuple):
            return await asyncio.start_server(self._serve, *place, limit=_REQUEST, reuse_address=True)
        return await asyncio.start_unix_server(self._serve, sock=_bound(place, where), limit=_REQUEST)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > CLIENTS:
                await _turn_away(reader, writer, _answer(503, "Service Unavailable", b"too many clients\n"))
                return
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                writer.write(self._answer(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        except asyncio.LimitOverrunError:
            too_large = _answer(431, "Request Header Fields Too Large", b"too large\n")
            await _turn_away(reader, writer, too_large)
        finally:
            self._clients -= 1
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _answer(400, "Bad Request", b"bad request\n")
        method, path = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _answer(405, "Method Not Allowed", b"GET or HEAD\n", "Allow: GET, HEAD\r\n")
        bare = method == "HEAD"
        if path == "/metrics":
            headers = [line.partition(":") for line in lines[1:]]
            wanted = any(
                name.strip().lower() == "accept" and "application/openmetrics-text" in value
                for name, _, value in headers
            )
            kind = exposition.OPENMETRICS if wanted else exposition.PROMETHEUS
            return _answer(200, "OK", self._text(wanted), kind=kind, bare=bare)
        if path == "/healthz":
            well, said = self._health()
            status = (200, "OK") if well else (503, "Service Unavailable")
            return _answer(*status, said.encode("utf-8", "backslashreplace"), bare=bare)
        if path == "/":
            return _answer(200, "OK", b"banish: /metrics, /healthz\n", bare=bare)
        return _answer(404, "Not Found", b"there are /metrics and /healthz\n", bare=bare)

    def _text(self, openmetrics: bool) -> bytes:
        now = time.monotonic()
        made = self._made.get(openmetrics)
        if made is None or now - made[0] > FRESH:
            made = self._made[openmetrics] = now, self._metrics(openmetrics).encode()
        return made[1]


async def _turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Answer without having listened. What was said is taken off the wire all the same, or the answer would be lost (tcp(7): RST)."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            writer.write(answer)
            await writer.drain()
            for _ in range(16):
                if not await reader.read(_REQUEST):
                    break


def _bound(path: str, where: str) -> socket.socket:
    os.makedirs(os.path.dirname(path) or "/", mode=0o755, exist_ok=True)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise _wrong("is there already, and is no socket", "name another path", where)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                os.unlink(path)
            else:
                raise _wrong("is in use by another program", "name another path", where)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        listener.bind(path)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _answer(status: int, reason: str, body: bytes, more: str = "", *, kind: str = "", bare: bool = False) -> bytes:
    kind = kind or "text/plain; charset=utf-8"
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    return head.encode() + (b"" if bare else body)


def _wrong(text: str, remedy: str, value: str) -> ConfigError:
    return ConfigError(Problem(text, remedy, option="metrics", value=value))
