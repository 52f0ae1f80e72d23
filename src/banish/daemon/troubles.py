"""Everything that a person should mend, gathered from all rooms; and what of it is told in the log as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from banish.daemon.complaints import garbled, given_up, unread, unreadable, unspared
from banish.errors import Problem

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor


class Troubles:
    """Those of *daemon*."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon
        self._reported: set[str] = set()

    def all(self) -> list[Problem]:
        """Return them as they are at this moment."""
        daemon = self._daemon
        log = [daemon.logbook.trouble] if daemon.logbook.trouble is not None else []
        ours = [
            *log,
            *daemon.server.problems,
            *daemon.store.problems,
            *daemon.dispatch.problems(),
            *daemon.runner.problems(),
            *daemon.outlet.problems(),
        ]
        return [*daemon.protection.guardian.problems(), *daemon.own_problems, *ours, *self._standing()]

    def report(self) -> None:
        """Write into the log what happened to the sources; a problem once, and once more when it comes back."""
        daemon = self._daemon
        found = {str(problem): problem for problem in self._standing()}
        daemon.tell(daemon.journal.notices())
        notices = daemon.source.notices()
        told = {problem for _, problem in daemon.source.problems()} if notices else ()
        daemon.tell(notice for notice in notices if notice.text not in told)
        for text, problem in found.items():
            if text not in self._reported:
                daemon.logbook.problem(problem)
        self._reported = set(found)

    def _standing(self) -> list[Problem]:
        """Return those that come and go with the world."""
        daemon = self._daemon
        blind = [*unreadable(daemon.running, daemon.source), *unread(daemon.running, daemon.journal)]
        blind += garbled(daemon.running, daemon.watchers)
        spares = unspared(daemon.running, daemon.protection.spared)
        return [*blind, *spares, *given_up(daemon.running, daemon.guard)]
