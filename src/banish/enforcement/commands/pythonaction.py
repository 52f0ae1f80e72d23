"""An action that is a Python class: ``Action`` of a file in action.d, made with (jail, name, **parameters).

It has ``start``, ``stop``, ``ban``, ``unban`` and ``reban``, as those derived from ``fail2ban.server.action.ActionBase`` have; and
perhaps ``flush``, ``reload``, ``consistencyCheck``, ``prolong`` (with ``_prolongable``), ``norestored`` and ``timeout`` (seconds). Its
code runs in a thread of its own, one call at a time. What it is told about a ban is a mapping, whose values are worked out when
somebody asks for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands import shim
from banish.enforcement.commands.performer import TIMEOUT, NotDone, Say
from banish.enforcement.commands.ticket import KEYS, Ticket
from banish.enforcement.commands.worker import Worker
from banish.reporting import roster
from banish.reporting.reporter import Reporter

_METHODS = ("start", "stop", "ban", "unban", "reban")
_ANSWER = 10.0
"""Seconds that the action's thread waits for the daemon's word on a jail's numbers or history."""


class JailView:
    """What an action is told about its jail: the name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Jail({self.name!r})"


class ActionInfo(MutableMapping[str, Any]):
    """A ban, for the thread of an action. The keys are those of ``ticket.KEYS``; values that somebody sets stay."""

    def __init__(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        self._ticket = ticket
        self._loop = loop
        self._values: dict[str, Any] = {}
        self._gone: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            if key not in KEYS or key in self._gone:
                raise KeyError(key)
            self._values[key] = self._ask(key)
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._values.pop(key, None)
        self._gone.add(key)

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in KEYS if key not in self._gone)
        yield from (key for key in self._values if key not in KEYS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        return key in self._values or (key in KEYS and key not in self._gone)

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __repr__(self) -> str:
        return f"ActionInfo({self.copy()!r})"

    def _ask(self, key: str) -> Any:
        network = self._ticket.decision.network
        if key == "ip-host":
            return _host(str(network.network_address)) if network is not None else None
        # The ledger and the database are the event loop's.
        return asyncio.run_coroutine_threadsafe(_get(self._ticket, key), self._loop).result(_ANSWER)


async def _get(ticket: Ticket, key: str) -> Any:
    return ticket.get(key)


def _host(address: str) -> str | None:
    try:
        return socket.gethostbyaddr(address)[0]
    except OSError:
        return None


class PythonAction:
    """One action of one jail; to be used from one event loop. See ``performer.Performer``."""

    at_once = 1
    editing = False
    norestored = False
    lasting = False
    can_flush = False
    can_prolong = False

    def __init__(self, jail: str, settings: ActionSettings, say: Say) -> None:
        self.repaired: Callable[[frozenset[str]], None] = lambda families: None
        self._trouble = ""
        self._jail = jail
        self._settings = settings
        self._say = say
        self._worker = Worker(f"{jail}/{settings.actname}")
        self._action: Any = None
        self._timeout = TIMEOUT
        self._turn = asyncio.Lock()

    @property
    def trouble(self) -> str:
        """What keeps it from being started, or what a reporter says of itself."""
        return self._trouble or (self._action.trouble if isinstance(self._action, Reporter) else "")

    async def start(self) -> None:
        async with self._turn:
            await self._ensure_started()

    async def ban(self, ticket: Ticket, *, again: bool = False) -> None:
        await self._tell("reban" if again else "ban", ticket)

    async def unban(self, ticket: Ticket) -> None:
        if self._action is not None:
            await self._tell("unban", ticket)

    async def prolong(self, ticket: Ticket) -> None:
        await self._tell("prolong", ticket)

    async def check(self, ticket: Ticket) -> None:
        await self._tell("consistencyCheck")

    async def flush(self) -> None:
        await self._tell("flush")

    async def reload(self) -> None:
        await self._tell("reload")

    async def stop(self) -> None:
        async with self._turn:
            if self._action is None:
                return
            action, self._action = self._action, None
            try:
                await self._call(action.stop)
            finally:
                self._worker.close()

    async def _tell(self, method: str, *tickets: Ticket) -> None:
        async with self._turn:
            await self._ensure_started()
            called = getattr(self._action, method, None)
            if callable(called):
                loop = asyncio.get_running_loop()
                await self._call(partial(called, *(ActionInfo(ticket, loop) for ticket in tickets)))

    async def _ensure_started(self) -> None:
        if self._action is not None:
            return
        try:
            action = await self._call(partial(_make, self._settings, self._jail))
            self._read(action)
            await self._call(action.start)
        except NotDone as error:
            self._trouble = f"Error starting action {self._jail}/{self._settings.actname}: {error}"
            text = f"Failed to start jail {self._jail!r} action {self._settings.actname!r}: {error}"
            self._say("actions", "ERROR", text)
            raise NotDone(self._trouble, not_started=True) from error
        self._action, self._trouble = action, ""

    def _read(self, action: Any) -> None:
        if isinstance(action, Reporter):
            action.say = partial(_from_a_thread, asyncio.get_running_loop(), self._say)
            self.lasting = action.lasting
        self.norestored = bool(getattr(action, "norestored", False))
        self.can_flush = callable(getattr(action, "flush", None))
        self.can_prolong = bool(getattr(action, "_prolongable", False)) and callable(getattr(action, "prolong", None))
        timeout = getattr(action, "timeout", None)
        if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout < float("inf"):
            self._timeout = float(timeout)

    async def _call(self, function: Callable[[], Any]) -> Any:
        try:
            return await self._worker.call(function, self._timeout)
        except TimeoutError as error:
            raise NotDone(f"timed out after {self._timeout:g} seconds; its code may go on in the background") from error
        except Exception as error:  # whatever it raises is its own affair
            raise NotDone(f"{type(error).__name__}: {error}") from error


def _from_a_thread(loop: asyncio.AbstractEventLoop, say: Say, level: str, text: str) -> None:
    with suppress(RuntimeError):  # the loop was closed meanwhile; there is nobody to tell
        loop.call_soon_threadsafe(say, "actions", level, text)


def _make(settings: ActionSettings, jail: str) -> Any:
    """Load the file and make its action; raises whatever that raises."""
    if settings.reporter:
        options = {name: text for name, text in settings.options.items() if name not in ("name", "actname")}
        return roster.load(settings.reporter)(JailView(jail), settings.actname, **options)
    shim.install()
    path = Path(settings.python)
    source = path.read_bytes()
    if hashlib.sha256(source).hexdigest() != settings.digest:
        raise ImportError(f"{path} has been changed since the configuration was read: reload")
    # Not by an import: that would write into the configuration, and believe a compiled file that lies there.
    module = ModuleType(f"banish_action_{path.stem}_{settings.digest[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look it up
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102 -- the administrator's file
    made = getattr(module, "Action", None)
    if made is None:
        raise TypeError(f"{path} has no Action")
    missing = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if missing:
        raise TypeError(
            f"Action of {path} lacks {', '.join(missing)}; derive it from fail2ban.server.action.ActionBase"
        )
    return made(JailView(jail), settings.actname, **settings.options)
