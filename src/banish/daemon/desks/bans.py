"""The desk for bans: ``banned``, ``ban``, ``unban`` and ``resume``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from banish.addresses import Network, has_host_bits, parse, show, within
from banish.control import commands
from banish.daemon.desks.desk import Desk
from banish.daemon.restoring import without_collection
from banish.decisions.bantime import Term
from banish.errors import ControlError
from banish.jail import Jail
from banish.model import Basis, Decision

if TYPE_CHECKING:
    from banish.control.handler import BannedRow, Outcome, OutcomeName, Resumed, Unbanned


class Bans(Desk):
    """Bans and ends bans, and says who is banned."""

    def banned(self, network: str | None) -> Iterable[BannedRow]:
        """Return every ban in force, or those that concern one address or network."""
        self.at_work()
        if network is None:
            return map(_ban_row, list(self.daemon.ledger))
        wanted = parse(network)
        if wanted is None:
            raise ControlError(f"{network!r} is neither an address nor a network", commands.USAGE)
        return [_ban_row(decision) for decision in self.daemon.ledger.find(wanted)]

    def ban(
        self, jail: str, addresses: list[str], seconds: float | None, reason: str | None, force: bool
    ) -> list[Outcome]:
        """Ban each of *addresses*: what is spared or is no address is refused, the others are one transaction.

        *force* asks no rule who is spared.
        """
        self.at_work()
        running = self.daemon.running.get(jail)
        if running is None:
            raise self.no_such(jail)
        now = self.clock()
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
        entries = self.daemon.pipeline.decide(decisions.values(), now)
        trouble = self.daemon.not_in_force()
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

    def unban(self, jail: str | None, addresses: list[str], everything: bool) -> list[Outcome] | list[Unbanned]:
        """Lift the bans of *addresses*, or all; a network lifts what lies within it, an address never a wider network."""
        self.at_work()
        if jail is not None and jail not in self.daemon.running:
            raise self.no_such(jail)
        return self._lift_all(jail) if everything else self.lift_each(jail, addresses)

    def _lift_all(self, jail: str | None) -> list[Unbanned]:
        now = self.clock()
        with without_collection(stays=False):
            lifted = self.daemon.pipeline.lift_all(list(self.daemon.running) if jail is None else [jail], now)
        for name, bans in lifted.items():
            self.daemon.running[name].jail.forget_all(ban.id for ban in bans)
        counts = Counter({name: len(bans) for name, bans in lifted.items()})
        dormant = self.daemon.restoring.forget_dormant(lambda decision: jail in (None, decision.jail), now)
        counts.update(decision.jail for decision in dormant)
        return [{"jail": name, "unbanned": count} for name, count in sorted(counts.items()) if count]

    def lift_each(self, jail: str | None, addresses: list[str]) -> list[Outcome]:
        """Do so with *addresses*."""
        now = self.clock()
        rows = []
        for text in addresses:
            network = parse(text)
            rows += self._lift(self._hit(text, network, jail)) or [
                _row(text, jail or "", "not banned", self._why_not(network))
            ]
        wanted = [(text, parse(text)) for text in addresses]
        dormant = self.daemon.restoring.forget_dormant(
            lambda decision: (
                jail in (None, decision.jail) and any(_is_hit(decision, text, network) for text, network in wanted)
            ),
            now,
        )
        hit = {decision.id for decision in dormant}
        return [row for row in rows if row["outcome"] != "not banned" or row["address"] not in hit] + _unbanned(dormant)

    def resume(self, jail: str) -> Resumed:
        """Let a paused jail ban again."""
        self.at_work()
        if jail not in self.daemon.running:
            raise self.no_such(jail)
        return {"jail": jail, "withheld": self.daemon.protection.guardian.resume(jail, self.clock())}

    def _hit(self, text: str, network: Network | None, jail: str | None) -> list[Decision]:
        if network is None:
            return [
                decision for decision in self.daemon.ledger if decision.id == text and jail in (None, decision.jail)
            ]
        return [decision for decision in self.daemon.ledger.find(network, jail) if _is_hit(decision, text, network)]

    def _why_not(self, network: Network | None) -> str:
        if network is None:
            return "neither an address nor an id that is banned"
        wider = [decision.id for decision in self.daemon.ledger.find(network)]
        return f"but {wider[0]} is, which holds it" if wider else ""

    def _lift(self, decisions: Iterable[Decision]) -> list[Outcome]:
        lifted = self.daemon.pipeline.lift(list(decisions), self.clock())
        for decision in lifted:
            if running := self.daemon.running.get(decision.jail):
                running.jail.forget(decision.id)
        return _unbanned(lifted)


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
    return [_row(decision.id, decision.jail, "unbanned", "") for decision in decisions]


def _row(address: str, jail: str, outcome: OutcomeName, reason: str) -> Outcome:
    return {"address": address, "jail": jail, "outcome": outcome, "reason": reason}


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
