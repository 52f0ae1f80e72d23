"""What is not a file: the output of a command, standard input, and a listener for syslog, as a ``logpath`` names them.

::

    command:podman logs -f --since 0s web        what a command writes, by /bin/sh; it is started again when it ends
    stdin:                                       what banishd itself is fed
    syslog:unix:/run/banish/log                  datagrams, as programs send them to /dev/log
    syslog:udp:192.0.2.1:514 allow=192.0.2.0/24  messages from these networks only
    syslog:tcp:[2001:db8::1]:601 allow=2001:db8::/32

None of them can be read a second time: what is sent while the daemon is down is lost, unless the command tells it again.

Law: each stream is a task of its own that never ends the others. What is wrong with one is in ``problems``; it is tried again after 1, 2,
4 … 60 seconds. When judging lags behind, commands and TCP have to wait, and datagrams are dropped by the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from banish.addresses import Network, parse, within
from banish.model import Batch, Notice, Position
from banish.sources import syslog
from banish.sources.reading import LONGEST

SCHEMES = ("command:", "stdin:", "syslog:")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
CLIENTS = 256
"""Senders by TCP at once."""
SILENT = 3600.0
"""Seconds after which one of them that says nothing is let go."""
_BLOCK = 1 << 16
_WAITING = 16
"""Batches that wait to be judged, each of 1 MiB and a line at most."""
_AT_ONCE = 500
"""Datagrams that are taken in one go, unless they are long."""
_NOTICES = 100
_GRACE = 2.0


class StreamError(ValueError):
    """A ``logpath`` that names no stream that could be; the text says what to write."""


class Endpoint(NamedTuple):
    """Where syslog is listened to."""

    kind: str
    """``unix``, ``udp`` or ``tcp``."""
    address: str
    """A path, or an address to listen on."""
    port: int
    allowed: tuple[Network, ...]


def is_stream(pattern: str) -> bool:
    """True when *pattern* names no file."""
    return pattern.startswith(SCHEMES)


def endpoint(pattern: str) -> Endpoint:
    """Return where ``syslog:...`` listens. Raises StreamError."""
    kind, _, rest = pattern.removeprefix("syslog:").partition(":")
    words = rest.split()
    where, options = "".join(words[:1]), words[1:]
    if kind == "unix" and where.startswith("/") and not options:
        return Endpoint("unix", where, 0, ())
    if kind not in ("udp", "tcp"):
        raise StreamError("write syslog:unix:/PATH, syslog:udp:ADDRESS:PORT allow=NETWORK or syslog:tcp:... likewise")
    host, colon, port = where.rpartition(":")
    address = parse(host.removeprefix("[").removesuffix("]"))
    if not colon or address is None or not address.of_one_host or not port.isdigit() or not 0 < int(port) < 65536:
        raise StreamError(f"{where!r} is no address and port: write {kind}:192.0.2.1:514 or {kind}:[2001:db8::1]:514")
    allowed = [network for option in options if option.startswith("allow=") for network in option[6:].split(",")]
    networks = [parse(text) for text in allowed]
    if not networks or None in networks or any(not option.startswith("allow=") for option in options):
        raise StreamError(
            "say whose messages count, for anybody could have anybody banned: allow=192.0.2.0/24,198.51.100.7"
        )
    return Endpoint(kind, host.removeprefix("[").removesuffix("]"), int(port), tuple(filter(None, networks)))


def complaint(pattern: str) -> str:
    """Return what is wrong with a *pattern* that names a stream; empty when nothing is."""
    if pattern.startswith("command:"):
        return "" if pattern.removeprefix("command:").strip() else "there is no command behind command:"
    if pattern.startswith("stdin:"):
        return "" if pattern == "stdin:" else "nothing may stand behind stdin:"
    try:
        endpoint(pattern)
    except StreamError as error:
        return str(error)
    return ""


class Cutter:
    """Cuts what arrives into whole lines; one that is longer than 1 MiB is left out."""

    def __init__(self) -> None:
        self._tail = b""
        self._skipping = False
        self.left_out = 0

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are whole now."""
        whole, newline, rest = data.rpartition(b"\n")
        if newline:
            whole = self._tail + whole + newline
            if self._skipping:
                whole = whole[whole.index(b"\n") + 1 :]
            self._tail, self._skipping = b"", False
        if not self._skipping:
            self._tail += rest
        if len(self._tail) > LONGEST:
            self._tail, self._skipping = b"", True
            self.left_out += 1
        return whole

    def finish(self) -> bytes:
        """Return what never got its newline."""
        line, self._tail = self._tail, b""
        return line + b"\n" if line else b""


class Streams:
    """Reads the streams that it is told; to be used from one event loop. *clock* is Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wanted: dict[str, None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._read: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._queue: asyncio.Queue[Batch | None] | None = None
        self._closed = asyncio.Event()
        self._started = False

    def add(self, patterns: Iterable[str]) -> None:
        """Read *patterns* too."""
        self._wanted.update(dict.fromkeys(patterns))
        self._begin()

    def remove(self, patterns: Iterable[str]) -> None:
        """Read *patterns* no more."""
        for pattern in patterns:
            self._wanted.pop(pattern, None)
            self._problems.pop(pattern, None)
            if (task := self._tasks.pop(pattern, None)) is not None:
                task.cancel()

    def __contains__(self, pattern: str) -> bool:
        return pattern in self._wanted

    def read(self) -> dict[str, int]:
        """Return how many bytes each stream has said so far."""
        return {pattern: self._read.get(pattern, 0) for pattern in self._wanted}

    def problems(self) -> list[tuple[str, str]]:
        """Return what keeps streams from being read."""
        return sorted(self._problems.items())

    def notices(self) -> list[Notice]:
        """Return what happened since the last call."""
        told = list(self._notices)
        self._notices.clear()
        return told

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what streams say, until ``close``."""
        self._queue = asyncio.Queue(_WAITING)
        self._started = True
        self._begin()
        try:
            while not self._closed.is_set():
                batch = await self._queue.get()
                if batch is not None:
                    yield batch
        finally:
            self._started = False
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    def close(self) -> None:
        """End every stream; ``batches`` ends."""
        self._closed.set()
        if self._queue is not None:
            with contextlib.suppress(asyncio.QueueFull):  # then it is not waited for
                self._queue.put_nowait(None)
        for task in self._tasks.values():
            task.cancel()

    def _begin(self) -> None:
        if self._started:
            for pattern in self._wanted.keys() - self._tasks.keys():
                self._tasks[pattern] = asyncio.create_task(self._follow(pattern))

    async def _follow(self, pattern: str) -> None:
        """Read one stream, again and again."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                why = await self._once(pattern)
            except (OSError, StreamError) as error:
                why = getattr(error, "strerror", None) or str(error)
            if why is None or self._closed.is_set() or pattern not in self._wanted:
                return
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else pause
            text = f"{pattern}: {why}"
            if self._problems.get(pattern) != text:
                self._notices.append(Notice("WARNING", "filter", text))
            self._problems[pattern] = text
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _once(self, pattern: str) -> str | None:
        """Read *pattern* to its end, and return what there is to say of that; None when it is not to be begun again."""
        if pattern.startswith("command:"):
            return await self._command(pattern)
        if pattern == "stdin:":
            return await self._stdin(pattern)
        return await self._syslog(pattern, endpoint(pattern))

    async def _put(self, pattern: str, lines: bytes) -> None:
        if not lines or self._queue is None:
            return
        self._problems.pop(pattern, None)
        self._read[pattern] = self._read.get(pattern, 0) + len(lines)
        await self._queue.put(Batch(pattern, lines, Position(0, 0, self._read[pattern], b"", b""), live=True))

    async def _all_of(self, pattern: str, reader: asyncio.StreamReader) -> bytes:
        """Hand on all lines of *reader*, and return the last of them."""
        cutter, last = Cutter(), b""
        while data := await reader.read(_BLOCK):
            lines = cutter.feed(data)
            last = lines or last
            await self._put(pattern, lines)
        lines = cutter.finish()
        await self._put(pattern, lines)
        return (lines or last).rstrip(b"\n").rpartition(b"\n")[2]

    # Commands

    async def _command(self, pattern: str) -> str:
        process = await asyncio.create_subprocess_shell(
            pattern.removeprefix("command:"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            last = await self._all_of(pattern, process.stdout) if process.stdout is not None else b""
            code = await process.wait()
        finally:
            await _end(process)
        said = f", and said last: {last.decode('utf-8', 'replace')[:200]!r}" if last else ""
        return f"the command ended with status {code} and is started again{said}"

    # Standard input

    async def _stdin(self, pattern: str) -> str | None:
        descriptor = os.dup(sys.stdin.fileno())
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                cutter = Cutter()
                while data := file.read(_BLOCK):
                    await self._put(pattern, cutter.feed(data))
                await self._put(pattern, cutter.finish())
        else:
            reader = asyncio.StreamReader()
            pipe = os.fdopen(descriptor, "rb", buffering=0)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                await self._all_of(pattern, reader)
            finally:
                transport.close()
        self._problems[pattern] = f"{pattern} standard input has ended"
        return None

    # Syslog

    async def _syslog(self, pattern: str, end: Endpoint) -> str:
        if end.kind == "tcp":
            return await self._connections(pattern, end)
        loop = asyncio.get_running_loop()
        with _datagrams(end) as listener:
            own = socket.gethostname()
            while True:
                readable = loop.create_future()
                loop.add_reader(listener.fileno(), _wake, readable)
                try:
                    await readable
                finally:
                    loop.remove_reader(listener.fileno())
                await self._put(pattern, self._received(listener, end, own))

    def _received(self, listener: socket.socket, end: Endpoint, own: str) -> bytes:
        lines: list[bytes] = []
        size = 0
        while len(lines) < _AT_ONCE and size < LONGEST:
            try:
                message, sender = listener.recvfrom(_BLOCK)
            except BlockingIOError:
                break
            host = own if end.kind == "unix" else sender[0].partition("%")[0]
            size += len(message) + 1
            if end.kind == "unix" or _is_allowed(host, end):
                lines.append(syslog.line(message, host, self._clock()))
        return b"".join(lines)

    async def _connections(self, pattern: str, end: Endpoint) -> str:
        clients: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            me = asyncio.current_task()
            assert me is not None  # noqa: S101 - a coroutine always runs in a task
            host = str(writer.get_extra_info("peername")[0]).partition("%")[0]
            try:
                if len(clients) >= CLIENTS or not _is_allowed(host, end):
                    return
                clients.add(me)
                frames = syslog.Frames()
                while True:
                    async with asyncio.timeout(SILENT):
                        data = await reader.read(_BLOCK)
                    if not data:
                        break
                    lines = [syslog.line(message, host, self._clock()) for message in frames.feed(data)]
                    await self._put(pattern, b"".join(lines))
            except (OSError, ValueError, TimeoutError, asyncio.CancelledError):
                pass  # it left, was silent too long, or does not speak syslog
            finally:
                clients.discard(me)
                writer.transport.abort()

        server = await asyncio.start_server(serve, end.address, end.port, reuse_address=True)
        try:
            await server.serve_forever()
        finally:
            for client in clients:
                client.cancel()
        return "it is listened to no more"


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command with everything that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _is_allowed(host: str, end: Endpoint) -> bool:
    address = parse(host)
    return address is not None and any(within(address, network) for network in end.allowed)


@contextlib.contextmanager
def _datagrams(end: Endpoint) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if end.kind == "unix" else socket.AF_INET6 if ":" in end.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as listener:
        if family == socket.AF_UNIX:
            path = Path(end.address)
            if path.is_socket():
                path.unlink()  # of an earlier run
            listener.bind(end.address)
            path.chmod(0o666)  # as /dev/log: any program may log
            try:
                yield listener
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()
        else:
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((end.address, end.port))
            yield listener
