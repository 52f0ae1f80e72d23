"""Stands before the ledger: refuses bans that would lock somebody out, and pauses a jail that bans the world.

Every decision passes ``admit``, whoever took it. The rules are in the room ``safety``; this is what supplies them with facts and what
tells, keeps and undoes what follows from them. Facts about interfaces, routes and name servers are followed once a second, and cost a
ban nothing; who is logged in over ssh is looked at when a ban is to be made, at most once a second.

The law: what cannot be found out makes nobody an exception, and ends no exception that stands.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from banish.addresses import Network
from banish.decisions.ledger import Entry, Ledger
from banish.errors import Problem
from banish.lookups import connections
from banish.lookups.gateways import gateways
from banish.lookups.netlink import Watch
from banish.lookups.own_addresses import own_addresses
from banish.lookups.resolvers import Resolvers
from banish.lookups.sessions import Session, Sessions
from banish.model import Decision, Incident, Notice
from banish.safety.breaker import Breaker, BreakerSettings, Peers
from banish.safety.guard import Guard, Refusal, Rule, SpareSettings

TELL_EVERY = 300.0
"""Seconds in which a refusal of the same id in the same jail is told and kept once."""
TOLD = 10_000
"""How many such ids are remembered; who was told longest ago is forgotten first."""
FRESH = 30.0
"""Seconds after which what is followed is asked for even when nothing was heard of a change."""
GRAIN = 2.0
"""Seconds by which the time that a log states, and with it that of a ban, may be too early: most logs write whole seconds."""
PEERS_EVERY = 30.0
SESSIONS_EVERY = 3.0

# linux/rtnetlink.h, RTMGRP_…: addresses and routes of both families, nexthop objects have no bit here and are found by FRESH.
_GROUPS = 0x10 | 0x40 | 0x100 | 0x400
_LOOPBACK = (b"\x7f", bytes(15) + b"\x01")


@dataclass(slots=True)
class Pause:
    """A jail whose bans are withheld."""

    at: float
    why: str
    withheld: int = 0


class Facts:
    """What the world says, behind one seam so that tests can stand in for it."""

    def __init__(self) -> None:
        self._watch = Watch(_GROUPS)
        self._resolvers = Resolvers()
        self.sessions = Sessions()

    def changed(self) -> bool:
        return self._watch.changed()

    def own(self) -> tuple[frozenset[Network], Notice | None]:
        return own_addresses()

    def gateways(self) -> tuple[frozenset[Network], Notice | None]:
        return gateways()

    def resolvers(self) -> frozenset[Network]:
        return self._resolvers.look()

    def sessions_now(self, now: float) -> tuple[tuple[Session, ...], Notice | None]:
        return self.sessions.look(now), self.sessions.trouble

    def peers(self) -> set[bytes]:
        """Return who is connected; of those who speak to sshd, only who is logged in."""
        doors = self.sessions.ports()
        return {each.peer for each in connections.established() if each.port not in doors}

    def close(self) -> None:
        self._watch.close()


class Guardian:
    """*tell* takes what a person should know, *keep* what belongs into the history."""

    def __init__(
        self,
        tell: Callable[[Iterable[Notice]], None],
        keep: Callable[[Incident], None],
        facts: Facts | None = None,
    ) -> None:
        self._tell = tell
        self._keep = keep
        self._facts = facts or Facts()
        self._guard = Guard()
        self._peers = Peers()
        self._breakers: dict[str, Breaker] = {}
        self._paused: dict[str, Pause] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._sessions: tuple[Session, ...] = ()
        self._new: set[Network] = set()
        """What is protected since ``unjust`` was last asked."""
        self._troubles: dict[Rule, Notice | None] = {}
        self._looked_at: float | None = None
        self._routes_due = False
        self._routes_at = 0.0
        """When the routes may be read again."""
        self._peers_at: float | None = None
        self._sessions_at = 0.0

    def configure(self, spare: SpareSettings, breakers: Mapping[str, BreakerSettings], now: float) -> None:
        """Go by these settings. A pause ends when its jail's limits were raised, or the jail is gone."""
        added = set(spare.rules) - set(self._guard.settings.rules)
        self._guard.configure(spare)
        self._new = self._new.union(*(self._guard.protected(rule) for rule in added))
        self._looked_at = None
        before, self._breakers = self._breakers, {}
        for jail, settings in breakers.items():
            known = before.get(jail)
            if known is None or known.settings != settings:
                self._breakers[jail] = Breaker(settings)
                if known is not None and settings.allows_more_than(known.settings):
                    self.resume(jail, now)
            else:
                self._breakers[jail] = known
        for jail in self._paused.keys() - breakers.keys():
            del self._paused[jail]

    # Facts

    def look(self, now: float) -> None:
        """Find out everything at once, before anything is banned."""
        rules = self._guard.settings.rules
        self._looked_at = now
        self._learn("spare_own", *self._facts.own())
        if "spare_gateways" in rules:
            self._learn("spare_gateways", *self._facts.gateways())
        self._look_at_files_and_sessions(now)

    async def refresh(self, now: float) -> None:
        """Find out what has changed; to be called about once a second. Long lists are read beside the event loop."""
        changed = self._facts.changed()
        if changed or self._looked_at is None or not 0 <= now - self._looked_at < FRESH:
            self._looked_at = now
            self._learn("spare_own", *self._facts.own())
            self._routes_due = True
        if self._routes_due and not 0 < self._routes_at - now < FRESH:
            await self._look_at_routes(now)
        if not 0 <= now - self._sessions_at < SESSIONS_EVERY:
            self._look_at_files_and_sessions(now)
        wanted = any(breaker.settings.peers for breaker in self._breakers.values())
        if wanted and (self._peers_at is None or not 0 <= now - self._peers_at < PEERS_EVERY):
            self._peers_at = now
            await self._look_at_peers(now)

    async def _look_at_routes(self, now: float) -> None:
        """Where routes change all the time and are many, no more than a twentieth of the time goes into reading them."""
        self._routes_due = False
        if "spare_gateways" in self._guard.settings.rules:
            began = time.monotonic()
            self._learn("spare_gateways", *await asyncio.to_thread(self._facts.gateways))
            self._routes_at = now + 20 * (time.monotonic() - began)

    def _look_at_files_and_sessions(self, now: float) -> None:
        self._sessions_at = now
        if "spare_resolvers" in self._guard.settings.rules:
            self._learn("spare_resolvers", self._facts.resolvers(), None)
        self._look_at_sessions(now)

    def _look_at_sessions(self, now: float) -> None:
        if "spare_sessions" not in self._guard.settings.rules:
            return
        found, trouble = self._facts.sessions_now(now)
        if found is not self._sessions or trouble is not self._troubles.get("spare_sessions"):
            self._sessions = found
            self._learn("spare_sessions", frozenset(session.peer for session in found), trouble)

    async def _look_at_peers(self, now: float) -> None:
        self._facts.sessions_now(now)
        try:
            connected = await asyncio.to_thread(self._facts.peers)
        except OSError:
            return  # the other sign remains
        own = {network.packed for network in self._guard.protected("spare_own")}
        logged_in = {session.peer.packed for session in self._sessions}
        self._peers.look(
            [peer for peer in connected | logged_in if not peer.startswith(_LOOPBACK) and peer not in own], now
        )

    def _learn(self, rule: Rule, networks: frozenset[Network], trouble: Notice | None) -> None:
        self._troubles[rule] = trouble
        if trouble is not None:
            networks |= self._guard.protected(rule)
        self._new |= self._guard.learn(rule, networks)

    # Decisions

    def attend(self, now: float) -> None:
        """Prepare for decisions at *now*, however many: look at who is logged in."""
        self._look_at_sessions(now)

    def admit(self, decision: Decision, now: float) -> Entry | None:
        """Return what becomes of *decision* in place of a ban; None when it may pass. ``attend`` comes before."""
        pause = self._paused.get(decision.jail) if decision.origin == "jail" else None
        if pause is not None:
            pause.withheld += 1
            return Entry("withheld", decision, None)
        if decision.network is None or decision.forced:
            return None
        refusal = self._guard.refusal(decision.network)
        if refusal is None:
            return None
        reason = refusal.reason(decision.network)
        if self._is_news(decision.jail, decision.id, now):
            self._say("WARNING", f"[{decision.jail}] Refuse to ban {decision.id}: {reason}")
            self._keep(Incident(now, decision.jail, "refused", decision.id, reason, decision.origin))
        return Entry("refused", decision._replace(reason=reason), None)

    def reach(self) -> frozenset[Network]:
        """Return all that is protected: a ban of an earlier run that touches none of it is admitted."""
        return self._guard.reach

    def refusal(self, network: Network, now: float) -> Refusal | None:
        """Return why *network* would not be banned now; None when it would be."""
        self._look_at_sessions(now)
        return self._guard.refusal(network)

    def pause(self, jail: str) -> str:
        """Return why the bans of *jail* are paused; empty when they are not."""
        pause = self._paused.get(jail)
        return "" if pause is None else f"{pause.why}; {pause.withheld} withheld so far"

    def banned(self, decision: Decision, now: float) -> None:
        """Take note of a new ban: it may be one too many."""
        breaker = self._breakers.get(decision.jail)
        if breaker is None or decision.origin != "jail":
            return
        if why := breaker.banned(decision.network, now, self._peers):
            self._paused[decision.jail] = Pause(now, why)
            breaker.reset()
            what_to_do = f"look into it, then: banish resume {decision.jail}"
            self._say("ERROR", f"[{decision.jail}] Bans are paused: {why}; {what_to_do}")
            self._keep(Incident(now, decision.jail, "paused", "", why))

    def resume(self, jail: str, now: float) -> int | None:
        """Let *jail* ban again; return how many decisions were withheld, None when it was not paused."""
        pause = self._paused.pop(jail, None)
        if pause is None:
            return None
        self._breakers[jail].reset()
        self._say("NOTICE", f"[{jail}] Bans are resumed; {pause.withheld} were withheld")
        self._keep(Incident(now, jail, "resumed", "", f"{pause.withheld} bans were withheld", "admin"))
        return pause.withheld

    def unjust(self, ledger: Ledger) -> list[tuple[Decision, str]]:
        """Return the bans that what is protected only now should not suffer, each with the reason.

        A ban that is older than the ssh session it hits is none of them: who could log in is not locked out.
        """
        new, self._new = self._new, set()
        found: dict[tuple[str, str], tuple[Decision, str]] = {}
        for protected in new:
            # Loopback is let through by the firewall; looking for it would mean to look at every ban.
            if protected.of_one_host:
                for decision in ledger.find(protected):
                    refusal = self._refusal(decision)
                    if refusal is not None:
                        found[decision.jail, decision.id] = decision, refusal
        return list(found.values())

    def problems(self) -> list[Problem]:
        """Return what a person should mend: paused jails, and rules that protect less than they say."""
        found = [
            Problem(
                f"bans are paused: {pause.why}; {pause.withheld} withheld so far",
                f"banish resume {jail}, or raise the limit and reload",
                section=jail,
            )
            for jail, pause in self._paused.items()
        ]
        troubles = [(rule, notice) for rule, notice in self._troubles.items() if rule in self._guard.settings.rules]
        return found + [
            Problem(notice.text, option=rule, severity="warning") for rule, notice in troubles if notice is not None
        ]

    def close(self) -> None:
        self._facts.close()

    def _refusal(self, decision: Decision) -> str | None:
        if decision.forced or decision.network is None:
            return None
        refusal = self._guard.refusal(decision.network)
        if refusal is None or (refusal.rule == "spare_sessions" and not self._is_older(refusal, decision)):
            return None
        return refusal.reason(decision.network)

    def _is_older(self, refusal: Refusal, decision: Decision) -> bool:
        return any(
            session.peer == refusal.protected and session.since < decision.at + GRAIN for session in self._sessions
        )

    def _is_news(self, jail: str, id_: str, now: float) -> bool:
        told = self._told.pop((jail, id_), None)
        fresh = told is not None and 0 <= now - told < TELL_EVERY
        self._told[jail, id_] = now if told is None or not fresh else told
        if len(self._told) > TOLD:
            del self._told[next(iter(self._told))]
        return not fresh

    def _say(self, level: Literal["ERROR", "WARNING", "NOTICE"], text: str) -> None:
        self._tell([Notice(level, "actions", text)])
