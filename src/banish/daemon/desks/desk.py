"""What every desk has: the daemon, a clock, and the words for a jail that is not there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from banish.control import commands
from banish.control.spelling import nearest
from banish.daemon.assembly import Running
from banish.errors import ControlError, Problem, UnknownJailError

if TYPE_CHECKING:
    from banish.control.handler import ProblemRow
    from banish.daemon.supervisor import Supervisor


class Desk:
    """The base of all desks. A command's method begins with `at_work`, unless it may be asked of a daemon that is starting."""

    def __init__(self, daemon: Supervisor, clock: Callable[[], float] = time.time) -> None:
        self.daemon = daemon
        self.clock = clock
        self.ready = False
        """Until then every command is told to come back: what is not restored yet must not be changed."""

    def at_work(self) -> None:
        """Raise ControlError while the daemon is starting."""
        if not self.ready:
            raise ControlError("banishd is starting", commands.FAILED, "try again in a moment")

    def running(self, jail: str) -> Running:
        """Return the jail of that name; ControlError when it does not run."""
        running = self.daemon.running.get(jail)
        if running is None:
            raise self.no_such(jail)
        return running

    def no_such(self, jail: str) -> ControlError:
        """Return the error for a jail that does not run, with what may have been meant."""
        if jail in self.daemon.broken:
            why = f"the jail '{jail}' does not run: {self.daemon.broken[jail]}"
            return UnknownJailError(why, jail, commands.NOT_FOUND)
        near = nearest(jail, self.daemon.running)
        names = f"did you mean '{near}'?" if near else f"the jails are: {', '.join(sorted(self.daemon.running))}"
        return UnknownJailError(f"Sorry but the jail '{jail}' does not exist", jail, commands.NOT_FOUND, names)


def problem_rows(problems: Iterable[Problem]) -> list[ProblemRow]:
    """Return *problems* as they are told to a client."""
    return [{"text": str(problem), "severity": problem.severity, "jail": problem.section} for problem in problems]
