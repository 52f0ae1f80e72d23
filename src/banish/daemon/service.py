"""What the daemon answers to ``banish``: every command of the table, on plain data in and out.

The shapes are a contract (``control.handler``, docs/reference/commands.md); nothing is rendered here.
"""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import banish
from banish.addresses import Network, has_host_bits, parse, show, within
from banish.control import commands
from banish.control.handler import (
    BannedRow,
    Imported,
    JailStatus,
    LogRow,
    Outcome,
    OutcomeName,
    Pong,
    ProblemRow,
    Reloaded,
    Resumed,
    SourceStatus,
    Status,
    Stopping,
)
from banish.decisions.bantime import Term
from banish.errors import ConfigError, ControlError, Problem, StoreError
from banish.jail import Jail
from banish.model import Basis, Decision
from banish.sources.matches import Match

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor


class Service:
    """Carries out commands on a running daemon; see ``control.handler.Control`` for what each takes and returns."""

    def __init__(self, daemon: Supervisor, clock: Callable[[], float] = time.time) -> None:
        self._daemon = daemon
        self._clock = clock
        self.ready = False
        """Until then every command is told to come back: what is not restored yet must not be changed."""

    def ping(self) -> Pong:
        """Say that we are here, and at work."""
        self._at_work()
        return {"reply": "pong", "version": banish.__version__}

    def status(self, jail: str | None) -> Status:
        """Return the state of every jail, or of one with what it bans."""
        self._at_work()
        names = sorted({*self._daemon.running, *self._daemon.broken})
        if jail is not None and jail not in names:
            raise self._no_such(jail)
        problems = self._daemon.problems()
        return {
            "version": banish.__version__,
            "uptime": round(self._clock() - self._daemon.started_at, 3),
            "jails": [self._jail(name, problems, banned=jail is not None) for name in names if jail in (None, name)],
            "problems": _problem_rows(problem for problem in problems if jail is None or problem.section == jail),
        }

    def banned(self, network: str | None) -> Iterable[BannedRow]:
        """Return every ban in force, or those that concern one address or network."""
        self._at_work()
        if network is None:
            return map(_ban_row, list(self._daemon.ledger))
        wanted = parse(network)
        if wanted is None:
            raise ControlError(f"{network!r} is neither an address nor a network", commands.USAGE)
        return [_ban_row(decision) for decision in self._daemon.ledger.find(wanted)]

    def ban(
        self, jail: str, addresses: list[str], seconds: float | None, reason: str | None, force: bool
    ) -> list[Outcome]:
        """Ban each of *addresses*: what is spared or is no address is refused, the others are one transaction.

        *force* asks no rule who is spared.
        """
        self._at_work()
        running = self._daemon.running.get(jail)
        if running is None:
            raise self._no_such(jail)
        now = self._clock()
        rows: dict[int, Outcome] = {}
        decisions: dict[int, Decision] = {}
        for place, text in enumerate(addresses):
            network = parse(text)
            if network is None:
                rows[place] = _row(text, jail, "invalid", "neither an address nor a network")
                continue
            if has_host_bits(text):
                what = f"it has bits beyond its prefix: write {show(network)} if you mean all of it, or one address"
                rows[place] = _row(text, jail, "invalid", what)
                continue
            shown = show(network)
            rule = None if force else running.jail.ignore.rule(shown, network)
            if rule is not None:
                rows[place] = _row(shown, jail, "refused", f"ignored by {rule}")
            else:
                term, basis = _term(running.jail, shown, seconds)
                end, why = now + term.seconds, reason or "by hand"
                decisions[place] = Decision(
                    jail, shown, network, now, end, "admin", why, increase=term.increase, basis=basis, forced=force
                )
        entries = self._daemon.pipeline.decide(decisions.values(), now)
        trouble = self._daemon.not_in_force()
        for place, (outcome, standing, _) in zip(decisions, entries, strict=True):
            match outcome:
                case "expired":
                    rows[place] = _row(standing.id, jail, "refused", "it would be over at once")
                case "refused" | "withheld":
                    rows[place] = _row(standing.id, jail, "refused", f"{standing.reason}; --force bans it")
                case _:
                    row = _row(standing.id, jail, outcome, standing.reason)
                    rows[place] = {**row, "expires_at": _end(standing.expires_at)}
                    if trouble:
                        rows[place]["problem"] = trouble
        return [rows[place] for place in range(len(addresses))]

    def unban(self, jail: str | None, addresses: list[str], everything: bool) -> Iterable[Outcome]:
        """Lift the bans of *addresses*, or all; a network lifts what lies within it, an address never a wider network."""
        self._at_work()
        if jail is not None and jail not in self._daemon.running:
            raise self._no_such(jail)
        now = self._clock()
        if everything:
            jails = list(self._daemon.running) if jail is None else [jail]
            lifted = self._daemon.pipeline.lift_all(jails, now)
            for decision in lifted:
                self._daemon.running[decision.jail].jail.forget(decision.id)
            lifted += self._daemon.restoring.forget_dormant(lambda decision: jail in (None, decision.jail), now)
            return map(_unbanned_row, lifted)
        rows = []
        for text in addresses:
            network = parse(text)
            rows += self._lift(self._hit(text, network, jail)) or [
                _row(text, jail or "", "not banned", self._why_not(network))
            ]
        wanted = [(text, parse(text)) for text in addresses]
        dormant = self._daemon.restoring.forget_dormant(
            lambda decision: (
                jail in (None, decision.jail) and any(_is_hit(decision, text, network) for text, network in wanted)
            ),
            now,
        )
        hit = {decision.id for decision in dormant}
        return [row for row in rows if row["outcome"] != "not banned" or row["address"] not in hit] + _unbanned(dormant)

    async def import_(self, file: str) -> Imported:
        """Take over the bans of fail2ban's database."""
        self._at_work()
        return await self._daemon.importing.fail2ban(Path(file), self._daemon.running, self._clock())

    def resume(self, jail: str) -> Resumed:
        """Let a paused jail ban again."""
        self._at_work()
        if jail not in self._daemon.running:
            raise self._no_such(jail)
        return {"jail": jail, "withheld": self._daemon.protection.guardian.resume(jail, self._clock())}

    def log(self, subject: str | None, seconds: float | None) -> list[LogRow]:
        """Return the last events."""
        self._at_work()
        since = 0.0 if seconds is None else self._clock() - seconds
        try:
            found = self._daemon.incidents(subject, since)
        except StoreError as error:
            raise ControlError(str(error), commands.FAILED) from error
        return [
            {
                "at": incident.at,
                "jail": incident.jail,
                "kind": incident.kind,
                "address": incident.id,
                "reason": incident.reason,
                "origin": incident.origin,
            }
            for incident in found
        ]

    def reload(self) -> Reloaded:
        """Read the configuration again."""
        self._at_work()
        try:
            running = self._daemon.reload()
        except ConfigError as error:
            raise ControlError(error.problem.text, commands.INVALID_CONFIGURATION, error.problem.remedy) from error
        return {"jails": running, "problems": _problem_rows(self._daemon.problems())}

    def stop(self) -> Stopping:
        """Begin to stop; the answer still reaches the client, because the server closes last."""
        self._daemon.stop()
        return {"stopping": True}

    def _at_work(self) -> None:
        if not self.ready:
            raise ControlError("banishd is starting", commands.FAILED, "try again in a moment")

    def _hit(self, text: str, network: Network | None, jail: str | None) -> list[Decision]:
        if network is None:
            return [
                decision for decision in self._daemon.ledger if decision.id == text and jail in (None, decision.jail)
            ]
        return [decision for decision in self._daemon.ledger.find(network, jail) if _is_hit(decision, text, network)]

    def _why_not(self, network: Network | None) -> str:
        if network is None:
            return "neither an address nor an id that is banned"
        wider = [decision.id for decision in self._daemon.ledger.find(network)]
        return f"but {wider[0]} is, which holds it" if wider else ""

    def _lift(self, decisions: Iterable[Decision]) -> list[Outcome]:
        lifted = self._daemon.pipeline.lift(list(decisions), self._clock())
        for decision in lifted:
            if running := self._daemon.running.get(decision.jail):
                running.jail.forget(decision.id)
        return _unbanned(lifted)

    def _jail(self, name: str, problems: Iterable[Problem], *, banned: bool) -> JailStatus:
        daemon = self._daemon
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
        judged, why = self._daemon.pipeline.judged[path], self._daemon.every_line_of(path, jail)
        return {"name": path, "lines": judged.lines, "bytes": judged.bytes, "lag_bytes": lag, "every_line": why or None}

    def _no_such(self, jail: str) -> ControlError:
        if jail in self._daemon.broken:
            return ControlError(f"the jail '{jail}' does not run: {self._daemon.broken[jail]}", commands.NOT_FOUND)
        near = difflib.get_close_matches(jail, self._daemon.running, n=1)
        names = f"did you mean '{near[0]}'?" if near else f"the jails are: {', '.join(sorted(self._daemon.running))}"
        return ControlError(f"Sorry but the jail '{jail}' does not exist", commands.NOT_FOUND, names)


def _term(jail: Jail, shown: str, seconds: float | None) -> tuple[Term, Basis]:
    """Return how long a ban by hand lasts, and what that goes by: *seconds* as they were said, or the jail's ban time."""
    if seconds is not None:
        return Term(seconds), "said"
    term = jail.term(shown)
    return term, "increased" if term.increase else "bantime"


def _is_hit(decision: Decision, text: str, network: Network | None) -> bool:
    if network is None or decision.network is None:
        return decision.id == text
    return within(decision.network, network)


def _unbanned(decisions: Iterable[Decision]) -> list[Outcome]:
    return list(map(_unbanned_row, decisions))


def _unbanned_row(decision: Decision) -> Outcome:
    return _row(decision.id, decision.jail, "unbanned", "")


def _row(address: str, jail: str, outcome: OutcomeName, reason: str) -> Outcome:
    return {"address": address, "jail": jail, "outcome": outcome, "reason": reason}


def _problem_rows(problems: Iterable[Problem]) -> list[ProblemRow]:
    return [{"text": str(problem), "severity": problem.severity, "jail": problem.section} for problem in problems]


def _end(expires_at: float) -> float | None:
    return None if math.isinf(expires_at) else expires_at


def _ban_row(decision: Decision) -> BannedRow:
    return {
        "jail": decision.jail,
        "network": decision.id if decision.network is None else str(decision.network),
        "banned_at": decision.at,
        "expires_at": _end(decision.expires_at),
        "ban_count": decision.ban_count,
        "origin": decision.origin,
        "reason": decision.reason,
    }
