"""The desk for the daemon itself and for jails as a whole: ``reload``, ``start``, ``stop``, ``add`` and what scripts ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import banish
from banish.config import amendments
from banish.control import commands
from banish.daemon.changeover import Amendment
from banish.daemon.desks.desk import Desk, problem_rows
from banish.errors import ConfigError, ControlError

if TYPE_CHECKING:
    from banish.control.handler import Echo, Flushed, JailDone, Pong, Reloaded, Slept, Stopping, Version

_BACKENDS = ("auto", "polling", "pyinotify", "gamin", "systemd")
_LONGEST_NAME = 64


class House(Desk):
    """Keeps the daemon and its jails going, or ends them."""

    def ping(self) -> Pong:
        """Say that we are here, and at work."""
        self.at_work()
        return {"reply": "pong", "version": banish.__version__}

    def version(self) -> Version:
        """Say which version this is."""
        return {"version": banish.__version__, "json": commands.JSON}

    def echo(self, words: list[str]) -> Echo:
        """Say *words*."""
        return {"words": words}

    async def sleep(self, seconds: float) -> Slept:
        """Return after *seconds*."""
        if not 0 <= seconds <= commands.LONGEST_SLEEP:
            raise ControlError(f"not longer than {commands.LONGEST_SLEEP:.0f} s", commands.USAGE)
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    def flushlogs(self) -> Flushed:
        """Open the log file again."""
        self.daemon.logbook.reopen()
        to_file = "/" in self.daemon.logbook.target.partition("[")[0]
        if to_file:
            self.daemon.logbook.say("server", "INFO", f"rollover performed on {self.daemon.logbook.target}")
        return {"logs": "rolled over" if to_file else "flushed"}

    def reload(
        self,
        jail: str | None = None,
        restart: bool = False,
        unban: bool = False,
        if_exists: bool = False,
        everything: bool = False,
    ) -> Reloaded:
        """Read the configuration again, of all jails or of one."""
        self.at_work()
        jail = None if everything else jail
        try:
            if jail is None:
                running = self.daemon.changeover.reload(restart=restart, unban=unban)
            else:
                running = [jail] if self.daemon.changeover.reload_jail(jail, restart=restart, unban=unban) else []
        except ConfigError as error:
            raise ControlError(error.problem.text, commands.INVALID_CONFIGURATION, error.problem.remedy) from error
        if jail is not None and not running and not if_exists:
            raise self.no_such(jail)
        problems = [each for each in self.daemon.problems() if jail in (None, each.section)]
        return {"jails": running, "problems": problem_rows(problems)}

    def restart(self, jail: str | None, unban: bool, if_exists: bool) -> Reloaded:
        """Have jails begin anew."""
        return self.reload(jail, restart=True, unban=unban, if_exists=if_exists)

    def start(self, jail: str) -> JailDone:
        """Start a jail that was added, or stopped."""
        self.at_work()
        running = self.daemon.running.get(jail)
        if running is None:
            self.reload(jail)
        elif running.idle:
            self.daemon.changeover.idle(jail, idle=False)
        return {"jails": [jail]}

    def stop(self, jail: str | None = None, everything: bool = False) -> Stopping | JailDone:
        """Begin to stop (the answer still reaches the client, because the server closes last), or stop jails."""
        if jail is None and not everything:
            self.daemon.stop()
            return {"stopping": True}
        self.at_work()
        if jail is not None:
            self.running(jail)
        names = list(self.daemon.running) if jail is None else [jail]
        self.daemon.changeover.stop(names)
        return {"jails": names}

    def add(self, jail: str, backend: str | None) -> JailDone:
        """Add a jail that is idle until it is started."""
        self.at_work()
        backend = backend or "auto"
        if jail in self.daemon.running:
            raise ControlError(f"The jail '{jail}' already exists", commands.FAILED)
        if jail.startswith("-") or not jail.isprintable() or not 0 < len(jail) <= _LONGEST_NAME:
            raise ControlError(f"{jail!r} is no name for a jail", commands.USAGE)
        if backend.partition("[")[0] not in _BACKENDS:
            raise ControlError(f"{backend!r} is no backend", commands.USAGE, f"one of {', '.join(_BACKENDS)}")
        self.daemon.changeover.alter(amendments.begun(jail, backend))
        self.daemon.changeover.idle(jail, idle=True)
        self.daemon.changes[jail] = [Amendment(self.clock(), ("add", backend))]
        return {"jails": [jail]}
