"""What the tags of a command stand for: a ban as an action sees it, worked out only when somebody asks.

The lines and groups that led to a ban are in its decision while it is new; those of a ban that stands are asked of the database.

The names are fail2ban's. Text in it comes from logs and from name servers: see ``filling`` for how it is kept from being obeyed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from banish import addresses
from banish.matching.tags import RENAMED
from banish.model import Decision

KEYS = (
    "ip", "family", "ip-rev", "ip-host", "fid", "failures", "time", "bantime", "bancount", "matches", "restored", "F-*",
    "ipmatches", "ipjailmatches", "ipfailures", "ipjailfailures", "raw-ticket",
    "jail.name", "jail.banned", "jail.banned_total", "jail.found", "jail.found_total",
)  # fmt: skip
"""What a ban has; ``F-*`` are the groups of its match, of which commands know each by its own name (``<F-USER>``)."""


class Figures(NamedTuple):
    """A jail's numbers at one moment; *bantime* in seconds."""

    banned: int = 0
    banned_total: int = 0
    found: int = 0
    found_total: int = 0
    bantime: float = 600.0


class World(NamedTuple):
    """Whom to ask for what a decision does not hold. To be asked in the event loop's thread."""

    figures: Callable[[str], Figures] = lambda jail: Figures()
    """A jail's numbers, by its name."""
    history: Callable[[str], Iterable[Decision]] = lambda id_: ()
    """The last ban of an id in each jail, as the database has it."""
    evidence: Callable[[Decision], Decision] = lambda ban: ban
    """A ban, in force or ended, with what led to it as the database has it."""

    def told(self, decision: Decision) -> Decision:
        """Return *decision* with what led to it, as far as that is known."""
        return decision if decision.matches or decision.fields else self.evidence(decision)


class Ticket:
    """One ban. *host* is the name of its address, None when there is none or nobody has asked."""

    def __init__(self, decision: Decision, world: World, *, restored: bool = False) -> None:
        self.decision = decision
        self.restored = restored or decision.origin == "restored"
        self.host: str | None = None
        self._world = world

    @cached_property
    def told(self) -> Decision:
        """The decision with what led to it."""
        return self._world.told(self.decision)

    @property
    def family(self) -> str:
        return family(self.decision)

    def get(self, key: str) -> Any:
        """Return what *key*, one of KEYS, stands for."""
        kind, _, name = key.partition(".")
        if kind == "jail":
            return self.decision.jail if name == "name" else getattr(self._world.figures(self.decision.jail), name)
        return _VALUES[key](self)

    def text(self, tag: str) -> str | None:
        """Return what *tag* of a command stands for; None when a ban has no such."""
        if tag.startswith("F-") and tag != "F-*":
            group = tag[2:].lower().replace("-", "_")
            return _text(self.told.fields.get(RENAMED.get(group, group), ""))
        return str(self.get(tag)) if tag in KEYS and tag != "F-*" else None

    def groups(self) -> dict[str, Any]:
        told = self.told
        return {"matches": list(told.matches), "failures": told.failures, **told.fields}

    def past(self, *, everywhere: bool) -> list[Decision]:
        """The last bans of the id, this one for its jail."""
        ours = self.told
        others = [ban for ban in self._world.history(ours.id) if ban.jail != ours.jail] if everywhere else []
        return [*others, ours]

    def __repr__(self) -> str:
        ours = self.told
        return (
            f"BanTicket: ip={ours.id} time={ours.at} bantime={bantime(ours)} bancount={ours.ban_count} "
            f"#attempts={ours.failures} matches={list(ours.matches)!r}"
        )


def family(decision: Decision) -> str:
    """Return ``inet4`` or ``inet6``; "" for an id that is no address."""
    if decision.network is None:
        return ""
    return "inet4" if decision.network.version == 4 else "inet6"


def bantime(decision: Decision) -> int:
    """Return how long the ban lasts, in whole seconds; -1 for ever."""
    span = decision.expires_at - decision.at
    return -1 if math.isinf(span) else round(span)


def _address(ticket: Ticket) -> str:
    network, fields = ticket.decision.network, ticket.told.fields
    return _text(fields.get("ip") or (addresses.show(network) if network is not None else ticket.decision.id))


def _reversed(ticket: Ticket) -> str:
    network = ticket.decision.network
    if network is None:
        return ""
    return re.sub(r"(in-addr|ip6)\.arpa$", "", network.network_address.reverse_pointer)


def _lines(bans: Iterable[Decision]) -> str:
    return "\n".join(line for ban in bans for line in ban.matches)


_VALUES: Mapping[str, Callable[[Ticket], Any]] = {
    "ip": _address,
    "fid": lambda ticket: ticket.decision.id,
    "family": lambda ticket: ticket.family or None,
    "ip-rev": _reversed,
    "ip-host": lambda ticket: ticket.host or None,
    "failures": lambda ticket: ticket.decision.failures,
    "time": lambda ticket: ticket.decision.at,
    "bantime": lambda ticket: bantime(ticket.decision),
    "bancount": lambda ticket: ticket.decision.ban_count,
    "matches": lambda ticket: "\n".join(ticket.told.matches),
    "restored": lambda ticket: int(ticket.restored),
    "F-*": Ticket.groups,
    "ipmatches": lambda ticket: _lines(ticket.past(everywhere=True)),
    "ipjailmatches": lambda ticket: _lines(ticket.past(everywhere=False)),
    "ipfailures": lambda ticket: sum(ban.failures for ban in ticket.past(everywhere=True)),
    "ipjailfailures": lambda ticket: sum(ban.failures for ban in ticket.past(everywhere=False)),
    "raw-ticket": repr,
}


def _text(value: Any) -> str:
    if isinstance(value, (set, frozenset, list, tuple)):
        return " ".join(sorted(map(str, value)))
    return str(value)
