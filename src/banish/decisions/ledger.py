"""The ledger: which bans are in force. The one junction that every decision passes, whoever took it.

In come decisions (of a jail, an administrator, an earlier run's database) and the passing of time; out come the changes that
enforcement must carry out. The ledger, not the kernel, is the truth: the kernel does not say when an element expires, and what
somebody deletes there is put back from here.

How often an id has been banned is remembered beyond the end of its ban, until ``forget_before`` or ``pardon``, for COUNTS ids
that are not banned now at most: whose ban ended longest ago is forgotten first.

There may be half a million bans at once, so what is kept of each is little: no evidence (``Decision.bare``), and nothing twice.

An id is banned per jail, and may be banned by several. A decision about an id that is banned already never shortens the ban.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Literal, NamedTuple

from banish import addresses
from banish.addresses import Network
from banish.decisions.bantime import History
from banish.model import Change, Decision

COUNTS = 1_000_000


class Entry(NamedTuple):
    """What became of a decision. *change* is None when nothing has to be done; *decision* is what stands now.

    ``refused`` and ``withheld`` are not the ledger's: such a decision never came here, and its reason says why.
    """

    outcome: Literal["banned", "prolonged", "already banned", "expired", "refused", "withheld"]
    decision: Decision
    change: Change | None


class Past(NamedTuple):
    """What is remembered of an id in a jail: its bans so far, when the last one began, and when that ends or ended."""

    bans: int
    at: float = 0.0
    until: float = math.inf


_NO_PAST = Past(0)


class Ledger:
    """Bans in force, by jail and id."""

    def __init__(self) -> None:
        self._jails: dict[str, dict[str, Decision]] = {}
        self._wide: dict[str, dict[str, None]] = {}
        """By jail, the ids that are networks of more than one address."""
        self._ends: list[tuple[float, str, str]] = []
        self._past: dict[tuple[str, str], Past] = {}
        """Of ids whose ban is over: as long as it stands, its decision knows as much."""
        self._past_jails: set[str] = set()
        self._totals: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._jails.values()))

    def __iter__(self) -> Iterator[Decision]:
        """Every ban in force, jail by jail, in the order in which they were taken."""
        for standing in self._jails.values():
            yield from standing.values()

    def banned(self, jail: str) -> int:
        """How many ids *jail* bans now."""
        return len(self._jails.get(jail, ()))

    def banned_total(self, jail: str) -> int:
        """How many bans *jail* has made since the start, restored ones included."""
        return self._totals[jail]

    def of_jail(self, jail: str) -> Iterator[Decision]:
        """The bans of *jail*, the next to end first."""
        return iter(sorted(self._jails.get(jail, {}).values(), key=lambda decision: decision.expires_at))

    def find(self, network: Network, jail: str | None = None) -> list[Decision]:
        """Return the bans that hit *network* or a part of it: the id itself, and wider or narrower networks.

        One address costs as much as there are banned networks, a network as much as there are bans.
        """
        shown = addresses.show(network)
        one_host = network.of_one_host
        found = []
        for name, standing in self._jails.items():
            if jail is not None and name != jail:
                continue
            if shown in standing:
                found.append(standing[shown])
            for id_ in self._wide.get(name, ()) if one_host else standing:
                decision = standing[id_]
                ours = decision.network
                if (
                    id_ != shown
                    and ours is not None
                    and (addresses.within(network, ours) or addresses.within(ours, network))
                ):
                    found.append(decision)
        return found

    def ban_count(self, jail: str, id_: str) -> int:
        """How often *jail* has banned *id_* so far."""
        return self._known(jail, id_).bans

    def history(self, jail: str, id_: str) -> History:
        """What *jail* remembers of *id_*."""
        past = self._known(jail, id_)
        return History(past.bans, past.at, id_ in self._jails.get(jail, ()))

    def history_everywhere(self, jail: str, id_: str) -> History:
        """What all jails remember of *id_*; its ban stands when *jail* has it."""
        known = [self._known(name, id_) for name in self._past_jails | self._jails.keys()]
        return History(
            sum(past.bans for past in known),
            max((past.at for past in known), default=0.0),
            id_ in self._jails.get(jail, ()),
        )

    def remember(self, jail: str, id_: str, past: Past) -> None:
        """Take in how *jail* banned *id_* in earlier runs."""
        self._past.pop((jail, id_), None)
        if len(self._past) >= COUNTS:
            # Some at a time: a dictionary looks for its first entry behind all those that were there before.
            for key in list(islice(self._past, COUNTS // 64 + 1)):
                del self._past[key]
        self._past[jail, id_] = past
        self._past_jails.add(jail)

    def forget_before(self, before: float) -> None:
        """Forget the bans that ended at *before* or earlier: who comes back now is a first offender."""
        for key in [key for key, past in self._past.items() if past.until <= before]:
            del self._past[key]
        self._past_jails = {jail for jail, _ in self._past}

    def restore(self, decisions: Iterable[Decision], now: float) -> list[Decision]:
        """Enter what an earlier run has banned; return what stands now of it.

        The same as ``apply`` of each, but made for very many at once: no changes come of it, because who restores puts the whole
        of the ledger in force afterwards. A ban that stands already is left as it is.
        """
        entered = []
        past, ends = self._past, self._ends
        jail: str | None = None
        standing: dict[str, Decision] = {}
        for decision in decisions:
            if decision.jail != jail:
                jail = decision.jail
                standing = self._jails.setdefault(jail, {})
            id_, end = decision.id, decision.expires_at
            if end <= now or id_ in standing:
                continue
            if past:
                past.pop((jail, id_), None)
            standing[id_] = decision
            network = decision.network
            if network is not None and network[-1] != len(network) * 8 - 8:
                self._wide.setdefault(jail, {})[id_] = None
            if end != math.inf:
                ends.append((end, jail, id_))
            entered.append(decision)
        heapq.heapify(ends)
        self._totals.update(Counter(map(attrgetter("jail"), entered)))
        return entered

    def apply(self, decision: Decision, now: float) -> Entry:
        """Enter *decision*; a new ban is counted, one that stands is prolonged when the new end is later."""
        if decision.expires_at <= now:
            return Entry("expired", decision, None)
        standing = self._jails.setdefault(decision.jail, {})
        known = standing.get(decision.id)
        if known is not None:
            if decision.expires_at <= known.expires_at:
                return Entry("already banned", known, None)
            # The ban is still the first one: its count stays, its evidence is what led to the longer end.
            set_at = decision.at if decision.set_at is None else decision.set_at
            forced = known.forced or decision.forced
            decision = decision._replace(at=known.at, ban_count=known.ban_count, set_at=set_at, forced=forced)
            self._enter(decision)
            return Entry("prolonged", decision, Change("prolong", decision))
        if decision.origin != "restored":
            past = self._past.get((decision.jail, decision.id))  # it stands not, so that this is all there is to know
            count = 1 if past is None else past.bans + 1
            if count != decision.ban_count:
                decision = decision._replace(ban_count=count)
        self._totals[decision.jail] += 1
        self._enter(decision)
        return Entry("banned", decision, Change("ban", decision))

    def lift(self, jail: str, id_: str) -> Change | None:
        """End the ban of *id_* in *jail* now; None when there is none."""
        decision = self._leave(jail, id_)
        if decision is None:
            return None
        self._remember(decision)
        return Change("unban", decision)

    def pardon(self, jail: str, id_: str) -> Change | None:
        """End the ban of *id_* in *jail* now, as one that should not have been: it does not count, nor do those before it."""
        self._past.pop((jail, id_), None)
        decision = self._leave(jail, id_)
        return None if decision is None else Change("unban", decision)

    def pardon_jail(self, jail: str) -> list[Decision]:
        """End every ban of *jail* now, as ``pardon`` does, and return what stood."""
        self._wide.pop(jail, None)
        pardoned = list(self._jails.pop(jail, {}).values())
        self._ends = [end for end in self._ends if end[1] != jail]
        heapq.heapify(self._ends)
        return pardoned

    def lift_jail(self, jail: str) -> list[Change]:
        """End every ban of *jail* now."""
        self._wide.pop(jail, None)
        lifted = list(self._jails.pop(jail, {}).values())
        for decision in lifted:
            self._remember(decision)
        return [Change("unban", decision) for decision in lifted]

    def shift(self, seconds: float, since: float, until: float) -> None:
        """Move the bans that began between *since* and *until* by so many *seconds*, begin and end: the clock was set."""
        self._ends = []
        for jail, standing in self._jails.items():
            for id_, decision in standing.items():
                if since <= decision.at <= until:
                    set_at = None if decision.set_at is None else decision.set_at + seconds
                    at, end = decision.at + seconds, decision.expires_at + seconds
                    decision = standing[id_] = decision._replace(at=at, expires_at=end, set_at=set_at)
                if decision.expires_at != math.inf:
                    self._ends.append((decision.expires_at, jail, id_))
        heapq.heapify(self._ends)

    def expire(self, now: float) -> list[Change]:
        """End the bans whose time is over, the earliest first."""
        over = []
        while self._ends and self._ends[0][0] <= now:
            end, jail, id_ = heapq.heappop(self._ends)
            decision = self._jails.get(jail, {}).get(id_)
            # An entry of the heap may be out of date: the ban was lifted, or its end was moved.
            if decision is not None and decision.expires_at == end:
                self._leave(jail, id_)
                self._remember(decision)
                over.append(Change("unban", decision))
        return over

    def next_end(self) -> float:
        """When ``expire`` has something to do next, at the earliest; ``math.inf`` for never."""
        return self._ends[0][0] if self._ends else math.inf

    def _known(self, jail: str, id_: str) -> Past:
        """What is known of an id, banned or not."""
        decision = self._jails.get(jail, {}).get(id_)
        if decision is not None:
            return Past(decision.ban_count, decision.at, decision.expires_at)
        return self._past.get((jail, id_), _NO_PAST)

    def _remember(self, decision: Decision) -> None:
        self.remember(decision.jail, decision.id, Past(decision.ban_count, decision.at, decision.expires_at))

    def _leave(self, jail: str, id_: str) -> Decision | None:
        self._wide.get(jail, {}).pop(id_, None)
        return self._jails.get(jail, {}).pop(id_, None)

    def _enter(self, decision: Decision) -> None:
        self._past.pop((decision.jail, decision.id), None)
        self._keep(self._jails.setdefault(decision.jail, {}), decision.bare())
        if not math.isinf(decision.expires_at):
            heapq.heappush(self._ends, (decision.expires_at, decision.jail, decision.id))

    def _keep(self, standing: dict[str, Decision], decision: Decision) -> None:
        standing[decision.id] = decision
        if decision.network is not None and not decision.network.of_one_host:
            self._wide.setdefault(decision.jail, {})[decision.id] = None
