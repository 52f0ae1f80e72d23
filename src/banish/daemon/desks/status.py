"""The desk for what is and what was: ``status`` and ``log``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import banish
from banish.daemon.desks.desk import Desk, problem_rows
from banish.errors import Problem
from banish.sources.matches import Match

if TYPE_CHECKING:
    from banish.control.handler import JailStatus, SourceStatus, StatsRow, Status


class StatusDesk(Desk):
    """Says how the jails are, and what happened to them."""

    def status(self, jail: str | None, flavor: str | None = None, everything: bool = False) -> Status:
        """Return the state of every jail, or of one; with what is banned where that is wanted."""
        self.at_work()
        names = sorted({*self.daemon.running, *self.daemon.broken})
        if jail is not None and jail not in names:
            raise self.no_such(jail)
        problems = self.daemon.problems()
        banned = (jail is not None or everything) and flavor != "short"
        return {
            "version": banish.__version__,
            "uptime": round(self.clock() - self.daemon.started_at, 3),
            "jails": [self._jail(name, problems, banned=banned) for name in names if jail in (None, name)],
            "problems": problem_rows(problem for problem in problems if jail is None or problem.section == jail),
        }

    def stats(self) -> list[StatsRow]:
        """Return the numbers of every jail that runs."""
        self.at_work()
        ledger = self.daemon.ledger
        return [
            {
                "name": name,
                "backend": running.config.backend,
                "failed_now": running.jail.failed_now,
                "failed_total": running.jail.failed_total,
                "banned_now": ledger.banned(name),
                "banned_total": ledger.banned_total(name),
            }
            for name, running in sorted(self.daemon.running.items())
        ]

    def _jail(self, name: str, problems: Iterable[Problem], *, banned: bool) -> JailStatus:
        daemon = self.daemon
        own = [str(problem) for problem in problems if problem.section == name]
        running = daemon.running.get(name)
        if running is None:
            why = str(daemon.broken[name])
            return {
                "name": name, "failed_now": 0, "failed_total": 0, "banned_now": 0, "banned_total": 0, "sources": [],
                "enabled": False, "problem": why,
            }  # fmt: skip
        status: JailStatus = {
            "name": name,
            "failed_now": running.jail.failed_now,
            "failed_total": running.jail.failed_total,
            "banned_now": daemon.ledger.banned(name),
            "banned_total": daemon.ledger.banned_total(name),
            "sources": [self._source(name, path, lag) for path, _, lag, *_ in daemon.sources_of(name)],
            "enabled": True,
            "problem": own[0] if own else None,
            "reads": running.config.reads,
            "reads_because": daemon.sourcing.why.get(name, ""),
            "actions": [{"name": action.actname, "served": action.served} for action in running.config.actions],
        }
        if running.config.reads == "journal":
            status["journalmatches"] = [Match(running.config.journalmatch).text]
        if banned:
            status["banned"] = [decision.id for decision in daemon.ledger.of_jail(name)]
        return status

    def _source(self, jail: str, path: str, lag: int) -> SourceStatus:
        judged, why = self.daemon.pipeline.judged[path], self.daemon.every_line_of(path, jail)
        return {"name": path, "lines": judged.lines, "bytes": judged.bytes, "lag_bytes": lag, "every_line": why or None}
