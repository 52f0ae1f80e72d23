"""The daemon's end of the unix socket.

One side speaks frames, our own (`frames`) or fail2ban's (`pickles`, `dialect`), told apart by their first byte; the other is
`handler.Control`. The kernel is asked who connects (SO_PEERCRED, SO_PEERGROUPS, unix(7)): root and the daemon's own user command, and so
do members of one group; members of another may only look. Without groups the socket is root's alone (0600). A client costs one task.

The law: no client hurts the daemon or another client. A request has a longest size and a longest time to arrive, a reply a longest
time to be taken; the number of clients is bounded, and when it is reached the one that has been silent longest is dropped first, those
who may only look before those who command.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import inspect
import logging
import math
import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from banish.control import activation, commands, dialect, frames, pickles
from banish.control.commands import Command
from banish.errors import ControlError, Problem

if TYPE_CHECKING:
    from banish.control.handler import Control

CLIENTS = 32
PATIENCE = 30.0
"""Seconds a client may take for a request to arrive (silence included), or for a reply to be taken."""

READERS_LIMIT = 1 << 16
"""Bytes of a request of somebody who may only look."""
Role = Literal["command", "read"]

_CHUNK = 1 << 16
_GRACE = 5.0
_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = 59  # <asm-generic/socket.h>; Python has no name for it
_ROOM = 1024
"""Bytes that Python gives a socket option: 256 groups."""

_log = logging.getLogger("fail2ban.transmitter")


class _Client:
    """One connection: what has arrived and was not read yet, and since when nothing more has come."""

    __slots__ = ("buffer", "reader", "role", "silent_since", "writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, role: Role, now: float) -> None:
        self.reader = reader
        self.writer = writer
        self.role = role
        self.buffer = bytearray()
        self.silent_since = now
        """``math.inf`` while a request of it is being answered."""

    def may(self, row: Command) -> bool:
        return self.role == "command" or row.reads

    async def until(self, end: bytes, limit: int) -> bytes | None:
        """Return what comes before *end*; None when the client leaves first. Raises OverflowError for more than *limit* bytes."""
        looked = 0
        while (place := self.buffer.find(end, looked)) < 0:
            looked = max(0, len(self.buffer) - len(end) + 1)
            if len(self.buffer) > limit:
                raise OverflowError
            if not await self.more():
                return None
        frame = bytes(self.buffer[:place])
        del self.buffer[: place + len(end)]
        return frame

    async def more(self) -> bool:
        """Wait for more to arrive; False when the client has left."""
        chunk = await self.reader.read(_CHUNK)
        self.buffer += chunk
        return bool(chunk)


class ControlServer:
    """Answers on *path* with what *control* says.

    users
        User ids that may command; root and the daemon's own user unless given.
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
        self._groups: dict[int, Role] = {}
        self.problems: list[Problem] = []
        """Groups that are to be admitted and that there are not."""
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._complain_at = 0.0
        self._clients: dict[asyncio.Task[Any], _Client] = {}

    def admit(self, command_group: str, read_group: str) -> None:
        """Let members of *command_group* command and members of *read_group* look; an empty name is nobody's."""
        self._groups, self.problems = {}, []
        for option, name, role in (("read_group", read_group, "read"), ("command_group", command_group, "command")):
            if not name:
                continue
            try:
                self._groups[grp.getgrnam(name).gr_gid] = "command" if role == "command" else "read"
            except KeyError:
                remedy = f"addgroup --system {name}"
                self.problems.append(
                    Problem("there is no such group", remedy, option=option, value=name, severity="warning")
                )
        if self._server is not None:
            self._open_to_groups(self._path)

    def _open_to_groups(self, path: Path) -> None:
        """Let those connect who may ask: a single group by the socket's own group; with two, everybody, to be asked for his groups."""
        gid = next(iter(self._groups), 0) if len(self._groups) < 2 else 0
        with contextlib.suppress(OSError):  # not root: then the socket stays our own
            os.chown(path, -1, gid if self._groups else os.getegid())
            path.chmod((0o600, 0o660, 0o666)[len(self._groups)])

    async def start(self) -> None:
        """Listen. The directory is made (0755) when there is none; the socket of a dead daemon is replaced.

        Raises ControlError: code 1 when another daemon listens there or the path is not usable, 4 when permission is missing.
        """
        adopted = activation.listener(self._path)
        try:
            listener = adopted or _listen(self._path, self._open_to_groups)
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
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_CHUNK)

    async def close(self) -> None:
        """Stop listening and remove the socket; what is being answered is finished first (5 s at most)."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        me = asyncio.current_task()
        for task, client in self._clients.items():
            if client.silent_since < math.inf:
                task.cancel()
        tasks = [task for task in self._clients if task is not me]
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=_GRACE)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine always runs in a task
        # With an empty buffer after every drain, dropping a client at any time loses nothing that was said.
        writer.transport.set_write_buffer_limits(high=0)
        role = self._role(writer)
        try:
            if role is None:
                await self._send(writer, [frames.encode(_NOT_PERMITTED)])
                return
            client = _Client(reader, writer, role, asyncio.get_running_loop().time())
            if not self._admit(me, client):
                await self._send(writer, [frames.encode(_BUSY)])
                return
            while (reply := await self._answered(client)) is not None:
                await self._send(writer, reply)
                if self._server is None:
                    break
        except OSError:
            # It left, or took too long: nobody is there to be told.
            pass
        except asyncio.CancelledError:
            # Dropped, for another client or at the end. Python 3.11's streams would log a traceback for a cancelled task.
            pass
        finally:
            self._clients.pop(me, None)
            writer.transport.abort()

    def _admit(self, task: asyncio.Task[Any], client: _Client) -> bool:
        if len(self._clients) >= self._limit:
            # Those who only look make room first, and never push out who commands.
            order = sorted(self._clients.items(), key=lambda item: (item[1].role == "command", item[1].silent_since))
            silent = [(each, its) for each, its in order if its.silent_since < math.inf]
            if not silent or (client.role == "read" and silent[0][1].role == "command"):
                return False
            del self._clients[silent[0][0]]
            silent[0][0].cancel()
        self._clients[task] = client
        return True

    def _role(self, writer: asyncio.StreamWriter) -> Role | None:
        """What the one at the other end may do; None for nothing at all."""
        peer = writer.get_extra_info("socket")
        _pid, uid, gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid in self._users:
            return "command"
        if not self._groups:
            return None
        roles = {self._groups.get(each) for each in (gid, *_groups_of(peer, uid, gid))}
        return "command" if "command" in roles else "read" if "read" in roles else None

    async def _answered(self, client: _Client) -> Iterable[bytes] | None:
        """Read the next request and return the reply to it, in pieces; None when there is none to come."""
        client.silent_since = asyncio.get_running_loop().time()
        limited = client.role == "read"
        try:
            async with asyncio.timeout(self._patience):
                if not client.buffer and not await client.more():
                    return None
                ours = client.buffer[:1] == b"{"
                if not ours and client.buffer[0] not in pickles.BEGINNINGS:
                    complaint = "a request begins with '{'"
                    await self._send(client.writer, [frames.encode(frames.failure(complaint, commands.USAGE))])
                    return None
                longest = frames.REQUEST_LIMIT if ours else pickles.LIMIT
                longest = min(longest, READERS_LIMIT) if limited else longest
                frame = await client.until(b"\n" if ours else pickles.END, longest)
        except OverflowError:
            complaint = f"a request is longer than {longest} bytes"
            await self._send(client.writer, [frames.encode(frames.failure(complaint, commands.USAGE))])
            return None
        if frame is None or frame == pickles.CLOSE:
            return None
        client.silent_since = math.inf
        return await (self._answer(frame, client) if ours else self._answer_fail2ban(frame, client))

    async def _answer_fail2ban(self, frame: bytes, client: _Client) -> Iterable[bytes] | None:
        """The same in fail2ban's dialect; what is no plain data ends the conversation, as nobody who means well sends it."""
        try:
            reading = pickles.read(frame)
            while True:
                try:
                    next(reading)
                except StopIteration as read:
                    protocol, words = read.value
                    break
                await asyncio.sleep(0)
        except ValueError as error:
            self._complain(str(error))
            return None
        result = await dialect.carry_out(self._control, words, client.may)
        if isinstance(result, dialect.Refusal):
            return [pickles.failure(*result, protocol)]
        return [pickles.reply(result, protocol)]

    async def _dialect_in_json(self, words: Any, client: _Client) -> dict[str, Any]:
        """fail2ban's words in a frame of ours, for `cli.compat`: the same reply, as JSON."""
        result = await dialect.carry_out(self._control, words, client.may)
        if isinstance(result, dialect.Refusal):
            refused = frames.failure(result.text, commands.FAILED)
            refused["error"]["kind"] = result.name
            return refused
        return {"ok": True, "result": result}

    async def _answer(self, frame: bytes, client: _Client) -> Iterable[bytes]:
        """Return the reply, in pieces; those of many rows are made while they are sent."""
        try:
            document = frames.decode(frame)
            if "words" in document:
                return [frames.encode(await self._dialect_in_json(document["words"], client))]
            command, arguments = commands.understand(document)
        except ValueError as error:
            return [frames.encode(frames.failure(str(error), commands.USAGE))]
        if not client.may(command):
            return [frames.encode(_MAY_ONLY_LOOK)]
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

    def _complain(self, what: str) -> None:
        """Write into the log that a client sent nonsense; once a minute, however many do."""
        now = asyncio.get_running_loop().time()
        if now >= self._complain_at:
            self._complain_at = now + 60.0
            _log.warning("A client sent what is no command: %s", what)

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
_MAY_ONLY_LOOK = frames.failure("this user may look, and not command", commands.NO_PERMISSION, "run banish as root")
_NOT_PERMITTED = frames.failure("this user may not command banishd", commands.NO_PERMISSION, "run banish as root")


def _groups_of(peer: socket.socket, uid: int, gid: int) -> Collection[int]:
    """The supplementary groups that *peer* had when it connected; where these are not to be had, those that its user has now."""
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _ROOM)
    except OSError:  # Linux before 4.13, or more than there is room for
        try:
            return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
        except (KeyError, OSError):
            return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)


def _listen(path: Path, permit: Callable[[Path], None]) -> socket.socket:
    """Return a listening socket at *path*, mode 0600 unless *permit* gives it another.

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
        permit(beside)
        listener.listen(CLIENTS)
        listener.setblocking(False)
        beside.rename(path)
    except BaseException:
        listener.close()
        with contextlib.suppress(OSError):
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
