"""The daemon's end of the unix socket.

One side speaks frames (`frames`), the other is `handler.Control`. The socket belongs to root alone (0600), and the kernel is asked
who connects (SO_PEERCRED, unix(7)) all the same. A client costs one task.

The law: no client hurts the daemon or another client. A request has a longest size and a longest time to arrive, a reply a longest
time to be taken; the number of clients is bounded, and when it is reached the one that has been silent longest is dropped first.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import math
import os
import socket
import stat
import struct
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from banish.control import activation, commands, frames
from banish.control.handler import Control
from banish.errors import ControlError

CLIENTS = 32
PATIENCE = 30.0
"""Seconds a client may take for a request to arrive (silence included), or for a reply to be taken."""

_PICKLE = b"\x80"
_GRACE = 5.0
_UCRED = struct.Struct("3i")

_log = logging.getLogger("fail2ban.transmitter")


class ControlServer:
    """Answers on *path* with what *control* says.

    users
        User ids that may ask; root and the daemon's own user unless given.
    """

    def __init__(
        self,
        control: Control,
        path: Path,
        *,
        clients: int = CLIENTS,
        patience: float = PATIENCE,
        users: Collection[int] | None = None,
    ) -> None:
        self._control = control
        self._path = path
        self._limit = clients
        self._patience = patience
        self._users = {0, os.geteuid()} if users is None else users
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._silent_since: dict[asyncio.Task[Any], float] = {}
        """Every client; ``math.inf`` while a request of it is being answered."""

    async def start(self) -> None:
        """Listen. The directory is made (0755) when there is none; the socket of a dead daemon is replaced.

        Raises ControlError: code 1 when another daemon listens there or the path is not usable, 4 when permission is missing.
        """
        adopted = activation.listener(self._path)
        try:
            listener = adopted or _listen(self._path)
        except PermissionError as error:
            raise ControlError(
                f"cannot listen on {self._path}: {error.strerror}",
                commands.NO_PERMISSION,
                "run banishd as root, or choose another path with --socket",
            ) from error
        except OSError as error:
            raise ControlError(
                f"cannot listen on {self._path}: {error.strerror or error}", hint="choose another path with --socket"
            ) from error
        self._inode = 0 if adopted else self._path.stat().st_ino  # what the service manager made is its own
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=frames.REQUEST_LIMIT)

    async def close(self) -> None:
        """Stop listening and remove the socket; what is being answered is finished first (5 s at most)."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        me = asyncio.current_task()
        for client, since in self._silent_since.items():
            if since < math.inf:
                client.cancel()
        clients = [client for client in self._silent_since if client is not me]
        if clients:
            _, unfinished = await asyncio.wait(clients, timeout=_GRACE)
            for client in unfinished:
                client.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine always runs in a task
        # With an empty buffer after every drain, dropping a client at any time loses nothing that was said.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            if not self._admit(me):
                await self._send(writer, [frames.encode(_BUSY)])
            elif not self._permitted(writer):
                await self._send(writer, [frames.encode(_NOT_PERMITTED)])
            else:
                while (frame := await self._receive(reader, writer, me)) is not None:
                    self._silent_since[me] = math.inf
                    await self._send(writer, await self._answer(frame))
                    if self._server is None:
                        break
        except (OSError, asyncio.IncompleteReadError):
            # It left, or took too long: nobody is there to be told.
            pass
        except asyncio.CancelledError:
            # Dropped, for another client or at the end. Python 3.11's streams would log a traceback for a cancelled task.
            pass
        finally:
            self._silent_since.pop(me, None)
            writer.transport.abort()

    def _admit(self, client: asyncio.Task[Any]) -> bool:
        if len(self._silent_since) >= self._limit:
            longest = min(self._silent_since, key=self._silent_since.__getitem__)
            if self._silent_since[longest] == math.inf:
                return False
            del self._silent_since[longest]
            longest.cancel()
        self._silent_since[client] = asyncio.get_running_loop().time()
        return True

    def _permitted(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("socket")
        _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return uid in self._users

    async def _receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, me: asyncio.Task[Any]
    ) -> bytes | None:
        """Return the next request, or None when there is none to come."""
        self._silent_since[me] = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._patience):
                first = await reader.read(1)
                if first in (b"", _PICKLE):
                    return None
                if first == b"{":
                    return first + await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            complaint = f"a request is longer than {frames.REQUEST_LIMIT} bytes"
        else:
            complaint = "a request begins with '{'"
        await self._send(writer, [frames.encode(frames.failure(complaint, commands.USAGE))])
        return None

    async def _answer(self, frame: bytes) -> Iterable[bytes]:
        """Return the reply, in pieces; those of many rows are made while they are sent."""
        try:
            command, arguments = commands.understand(frames.decode(frame))
        except ValueError as error:
            return [frames.encode(frames.failure(str(error), commands.USAGE))]
        try:
            result = getattr(self._control, command.method)(**arguments)
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, Iterator):
                return self._told(command.name, frames.pieces(result))
            reply = []
            for piece in frames.pieces(result):
                reply.append(piece)
                await asyncio.sleep(0)
            return reply
        except ControlError as error:
            return [frames.encode(frames.failure(str(error), error.code, error.hint))]
        except Exception as error:  # noqa: BLE001 - a command that fails must not take the daemon along
            _log.error("Command %r has failed. Received %r", command.name, error)
            _log.debug("the command was asked with %r", arguments, exc_info=True)
            return [
                frames.encode(frames.failure(f"{command.name} failed: {error!r}", commands.FAILED, "see banishd's log"))
            ]

    def _told(self, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield *pieces*; when one cannot be made the reply ends unfinished, because its beginning has gone out."""
        try:
            yield from pieces
        except Exception as error:
            _log.error("Command %r has failed while it was answered: %r", name, error)
            raise ConnectionAbortedError(name) from error

    async def _send(self, writer: asyncio.StreamWriter, reply: Iterable[bytes]) -> None:
        async with asyncio.timeout(self._patience):
            for piece in reply:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)  # drain() does not always wait


_BUSY = frames.failure("banishd answers as many clients as it can already", commands.FAILED, "try again")
_NOT_PERMITTED = frames.failure("this user may not command banishd", commands.NO_PERMISSION, "run banish as root")


def _listen(path: Path) -> socket.socket:
    """Return a listening socket at *path*, mode 0600.

    It is made under another name, restricted, and only then put in its place: nobody can connect in between, whatever the umask.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _make_room(path)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(beside))
        beside.chmod(0o600)
        listener.listen(CLIENTS)
        listener.setblocking(False)
        beside.rename(path)
    except BaseException:
        listener.close()
        with suppress(OSError):
            beside.unlink()
        raise
    return listener


def _make_room(path: Path) -> None:
    """Raise ControlError unless *path* is free, or the socket of a daemon that is no more."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} is not a socket", hint="remove it, or choose another path with --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        refused = probe.connect_ex(str(path))
        if refused in (errno.EACCES, errno.EPERM):
            raise PermissionError(refused, os.strerror(refused))
        # EAGAIN says that somebody listens and has no time, see connect(2).
        if refused not in (errno.ECONNREFUSED, errno.ENOENT):
            raise ControlError(
                f"already running: another banishd listens on {path}", hint="stop it with 'banish stop' first"
            )
