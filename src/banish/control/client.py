"""The client's end of the unix socket: one question, one answer.

A daemon that cannot be asked gives the same kind of answer as one that refuses: a reply with an error in it (`frames`), its code
the exit code. So whoever asks has one thing to look at, and ``banish`` starts without importing the exception tree.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from contextlib import suppress

from banish.control import commands, frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "/run/banish/banish.sock"
TIMEOUT = 120.0
"""Seconds without a sign of life, after which an answer is no longer expected."""

_UCRED = struct.Struct("3i")


def ask(
    path: str, command: str, arguments: dict[str, Any], *, timeout: float = TIMEOUT, until_exit: bool = False
) -> dict[str, Any]:
    """Return the daemon's reply to *command*: ``{"ok": true, "result": …}`` or ``{"ok": false, "error": …}``. Raises nothing.

    *until_exit*: when the daemon agrees, wait until its process is gone as well (for ``stop``: what comes after it in a script
    finds the socket free and the files closed).
    """
    return _ask(path, {"command": command, "arguments": arguments}, timeout, until_exit=until_exit)


def ask_words(path: str, words: list[Any], *, timeout: float = TIMEOUT, until_exit: bool = False) -> dict[str, Any]:
    """The same for *words* of fail2ban's dialect; an error also has the ``kind`` of exception that its client would raise."""
    return _ask(path, {"words": words}, timeout, until_exit=until_exit)


def _ask(path: str, request: dict[str, Any], timeout: float, *, until_exit: bool) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            hint = "start it with 'banishd' or 'systemctl start banish'"
            return frames.failure(f"banishd is not running on {path}", commands.NOT_RUNNING, hint)
        except PermissionError:
            return frames.failure(f"no permission to use {path}", commands.NO_PERMISSION, "run banish as root")
        except OSError as error:
            return frames.failure(f"cannot connect to {path}: {error.strerror or error}", commands.FAILED)
        process = _process(connection) if until_exit else None
        try:
            reply = _converse(connection, frames.encode(request))
            if process is not None and reply.get("ok") is True and not _ended(process, timeout):
                return frames.failure(f"banishd has not stopped within {timeout:.0f} s", commands.FAILED, "see its log")
        except TimeoutError:
            return frames.failure(f"banishd has not answered within {timeout:.0f} s", commands.FAILED, "see its log")
        except OSError as error:
            return frames.failure(f"the connection to banishd broke: {error.strerror or error}", commands.FAILED)
        except ValueError as error:
            return frames.failure(f"cannot understand what answers on {path}: {error}", commands.FAILED)
        finally:
            if process is not None:
                os.close(process)
    return reply


def _converse(connection: socket.socket, request: bytes) -> dict[str, Any]:
    # Whoever refuses us closes without listening, but has said why: read it.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(request)
    chunks = []
    size = 0
    while True:
        chunk = connection.recv(1 << 18)
        chunks.append(chunk)
        size += len(chunk)
        if not chunk:
            raise ConnectionResetError("banishd closed it without an answer")
        if chunk.endswith(b"\n"):
            break
        if size > frames.REPLY_LIMIT:
            raise ValueError("the answer is too long")
    reply = frames.decode(b"".join(chunks))
    error = reply.get("error")
    if reply.get("ok") is True and "result" in reply:
        return reply
    if isinstance(error, dict) and isinstance(error.get("text"), str) and isinstance(error.get("code"), int):
        failure = frames.failure(error["text"], error["code"] or commands.FAILED, str(error.get("hint", "")))
        failure["error"] |= {"kind": str(error["kind"])} if "kind" in error else {}
        return failure
    raise ValueError("neither a result nor an error")


def _process(connection: socket.socket) -> int | None:
    """A pidfd of the daemon (pidfd_open(2)); None when it is not to be had, or is ourselves."""
    pid, _uid, _gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        return os.pidfd_open(pid) if pid not in (0, os.getpid()) else None
    except OSError:
        return None


def _ended(process: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
