"""Counts the failures of one jail within ``findtime``.

``window = estimate`` is how fail2ban counts, and the default, because the same log must lead to the same bans: when an id's
window has become longer than findtime, the count so far is scaled down to what its average rate gives for findtime, and the
window is moved up. Three failures at 0, 300 and 700 s with findtime 600 therefore count 3, although only two of them are less
than 600 s old. ``window = exact`` counts what is really inside the last findtime seconds: two.

Of each id the last *maxmatches* lines are kept, each cut as evidence is, and the fields of its first failure. The table is bounded
together with those of other jails (see ``crowd``): of ids that it has no room for it keeps the count alone (see ``traces``). The
evidence of such an id begins anew with its next failure.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from typing import Any, Literal

from banish.evidence import LONGEST_LINE, cut
from banish.failures.crowd import STEP, Crowd
from banish.failures.traces import Trace, Traces
from banish.model import Failure, Fields, Match

_CLEAN_EVERY = 5.0
_CATCHING_UP = 10.0
"""Seconds without a line after which nothing is caught up with any more."""
_AT_ONCE = 20_000
"""Ids that are removed in one go; the next tick goes on."""
_TICKET = 1000
"""What a ticket takes without its strings, as characters."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """jail.conf(5) ``maxretry``, ``findtime`` (seconds), ``maxmatches``; ``window`` is ours: how failures are counted."""

    maxretry: int = 5
    findtime: float = 600.0
    maxmatches: int = 5
    window: Literal["estimate", "exact"] = "estimate"


class _Ticket:
    """What is known of one id: its window, its last lines, and the fields of its first failure."""

    __slots__ = ("attempts", "fields", "last_at", "matches", "retries", "round", "since", "size", "times")

    def __init__(self, at: float, fields: Fields, size: int) -> None:
        self.retries = self.attempts = 0
        self.since = self.last_at = at
        self.times: list[float] | None = None
        """For ``window = exact``, in order."""
        self.matches: list[str] = []
        self.fields = fields
        self.size = size
        """Characters of lines and fields."""
        self.round = 0
        """In which round of cleaning the last failure was counted."""

    def go_on(self, trace: Trace) -> None:
        self.retries, self.attempts, self.since, self.last_at, times = trace
        self.times = list(times) or None

    def trace(self) -> Trace:
        return Trace(self.retries, self.attempts, self.since, self.last_at, tuple(self.times or ()))


class Window:
    """The failures of one jail. An id that reached maxretry is forgotten at once, so that it counts from zero again.

    *crowd* bounds this table together with others; without it, alone.
    """

    def __init__(self, jail: str, settings: WindowSettings, crowd: Crowd | None = None) -> None:
        self._jail = jail
        self._settings = settings
        self._tickets: dict[str, _Ticket] = {}
        """In the order in which the ids failed last."""
        self._traces = Traces()
        self._cleaned_at = 0.0
        self._oldest = float("-inf")
        """Who failed last at this time or before has been forgotten, whether he has left the table already or not."""
        self._round = 0
        self._dirty = False
        self._grown = 0
        """Characters of lines and fields that came into the table since it was settled last."""
        self._evidence = 0
        """Those in the table, without these."""
        self.total = 0
        """Failures counted since the jail started."""
        self._behind: float | None = None
        """Since when it is caught up with what was written before; None when it is not."""
        self.changed: set[str] | None = None
        """Ids whose counts have changed since somebody began to take note of it (a set); None while nobody does."""
        self._crowd = crowd or Crowd()
        self._crowd.join(self)

    def __len__(self) -> int:
        """How many ids have failures that count; looks at each ticket."""
        return sum(not self._expired(ticket) for ticket in self._tickets.values()) + len(self._traces)

    @property
    def evidence(self) -> int:
        """Characters of lines and fields."""
        return self._evidence + self._grown

    def _settle(self) -> None:
        self._evidence, self._grown = self.evidence, 0
        self._crowd.settle()

    @property
    def traced(self) -> int:
        """Of how many ids the count alone is kept."""
        return len(self._traces)

    def reconfigure(self, settings: WindowSettings) -> None:
        """Go on with other settings; what has been counted stays counted."""
        self._settings = settings

    def count(self, match: Match, weight: int = 1, bans: int = 0) -> Failure:
        """Count *match*; ``Failure.due`` when it has reached maxretry, and the id begins at zero again.

        It counts as *weight* failures; *bans*, how often the id was banned before, is only passed on.
        """
        settings = self._settings
        regex, id_, network, at, _, lines, _ = match
        self.total += 1
        if self.changed is not None:
            self.changed.add(id_)
        if self._behind is not None:
            self._pass(at)
        ticket = self._tickets.pop(id_, None)
        if ticket is None or (ticket.last_at <= self._oldest and self._expired(ticket)):
            ticket = self._begin(match, ticket)
        if settings.window == "exact":
            self._count_exactly(ticket, at, weight)
        else:
            if at > ticket.last_at:
                if ticket.since < at - settings.findtime:
                    self._scale(ticket, at)
                ticket.last_at = at
            ticket.retries += weight
        ticket.attempts += 1
        ticket.round = self._round
        kept = lines
        size = len(lines[0]) if len(lines) == 1 else sum(map(len, lines))
        if size > LONGEST_LINE:
            kept = tuple(map(cut, lines))
            size = sum(map(len, kept))
        matches = ticket.matches
        matches += kept
        if (excess := len(matches) - settings.maxmatches) > 0:
            size -= sum(map(len, matches[:excess]))
            del matches[:excess]
        ticket.size += size
        self._grown += size
        due = ticket.retries >= settings.maxretry
        if due:
            self._evidence -= ticket.size
        else:
            self._tickets[id_] = ticket
            if self._grown > STEP:
                self._settle()
        return tuple.__new__(  # as ``Failure(...)``, in half the time
            Failure,
            (
                self._jail,
                id_,
                network,
                at,
                ticket.retries,
                ticket.since,
                tuple(matches) if due else (),
                ticket.fields,
                ticket.attempts,
                bans,
                weight,
                due,
                regex,
                len(lines),
            ),
        )

    def tick(self, now: float) -> None:
        """Forget ids whose last failure is findtime or longer ago; looks at most every five seconds."""
        if self._behind is not None and 0 <= now - self._behind < _CATCHING_UP:
            return
        self._behind = None
        self._pass(now)

    def follow(self, now: float, *, live: bool) -> None:
        """Take note whether the lines that follow are just written, or caught up with: then time passes as they say, so that who
        failed before them is not forgotten too soon. What is live, or a while without lines, ends that.
        """
        self._behind = None if live else now

    def _pass(self, now: float) -> None:
        if now - self._cleaned_at >= _CLEAN_EVERY or (now < self._cleaned_at and self._behind is None):
            self._cleaned_at = now
            self._oldest = now - self._settings.findtime
            self._round += 1
            self._dirty = True
        if self._dirty:
            self._remove_old()

    def known(self, id_: str) -> tuple[Trace, tuple[str, ...]] | None:
        """Return what is known of *id_*, and its last lines; None when it has no failures that count."""
        ticket = self._tickets.get(id_)
        if ticket is not None:
            return None if self._expired(ticket) else (ticket.trace(), tuple(ticket.matches))
        trace = self._traces.of(id_)
        return None if trace is None else (trace, ())

    def busiest(self, count: int) -> list[tuple[str, int, float, Fields]]:
        """Return the *count* ids with the most failures: each with its estimate, its last failure and the fields of its first one.

        Of ids whose count alone is kept nothing is told: they have been silent for longest.
        """
        found = (item for item in self._tickets.items() if not self._expired(item[1]))
        best = nlargest(count, found, key=lambda item: (item[1].retries, item[1].last_at))
        return [(id_, ticket.retries, ticket.last_at, ticket.fields) for id_, ticket in best]

    def ids(self) -> Iterator[tuple[str, int]]:
        """Every id with its estimate as of its last failure."""
        yield from ((id_, ticket.retries) for id_, ticket in self._tickets.items())
        yield from self._traces

    def forget(self, id_: str) -> None:
        """Start *id_* from zero; an unknown id is fine."""
        ticket = self._tickets.pop(id_, None)
        if ticket is not None:
            self._evidence -= ticket.size
        self._traces.take(id_)
        if self.changed is not None:
            self.changed.add(id_)

    def forget_all(self, ids: Iterable[str]) -> None:
        """Start each of *ids* from zero, of which there may be many more than are known here."""
        for id_ in set(self.keys()).intersection(ids):
            self.forget(id_)

    # For who keeps them across a crash (``store.memory.Book``)

    @property
    def size(self) -> int:
        """How many ids there are, those included that have been forgotten and have not left the table yet."""
        return len(self._tickets) + len(self._traces)

    @property
    def oldest(self) -> float:
        """Who failed last at this time or before has been forgotten."""
        return self._oldest

    def keys(self) -> list[str]:
        """Every id there is, as far as possible in the order in which they failed last."""
        return list(chain((id_ for id_, _ in self._traces), self._tickets))

    def rows(self, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Yield what is known of each of the ids *keys* as plain values; the id alone where nothing is."""
        for id_ in keys:
            ticket = self._tickets.get(id_)
            if ticket is not None:
                numbers = ticket.last_at, ticket.retries, ticket.attempts, ticket.since
                fields = ticket.fields
                plain = fields if fields.__class__ is dict else dict(fields)
                yield (id_, *numbers, ticket.times, ticket.matches, plain)
            elif (trace := self._traces.of(id_)) is not None:
                yield id_, trace.last_at, trace.retries, trace.attempts, trace.since, list(trace.times), None, None
            else:
                yield (id_,)

    def recall(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take in what ``rows`` yielded, later rows over earlier ones."""
        ours = sorted(rows, key=lambda row: row[1] if len(row) > 1 else -math.inf)
        for id_, *known in ours:
            ticket = self._tickets.pop(id_, None)
            if ticket is not None:
                self._evidence -= ticket.size
            self._traces.take(id_)
            if not known:
                continue
            last_at, retries, attempts, since, times, matches, fields = known
            trace = Trace(retries, attempts, since, last_at, tuple(times or ()))
            if matches is None:
                self._traces.keep(id_, trace)
                continue
            size = _TICKET + (3 * len(matches[0]) if matches else 0) + sum(map(len, matches))
            ticket = self._tickets[id_] = _Ticket(since, fields, size)
            ticket.go_on(trace)
            ticket.matches = list(matches)
            ticket.round = self._round
            self._grown += size
        if self._grown > STEP:
            self._settle()

    def fade(self, size: int) -> None:
        """Keep only the count of those who have been silent for longest, until there are *size* characters less of evidence."""
        enough = self.evidence - size
        fading = []
        left = before = self.evidence
        for id_, ticket in self._tickets.items():
            if left <= enough:
                break
            left -= ticket.size
            fading.append(id_)
        for id_ in fading:
            ticket = self._tickets.pop(id_)
            if not self._expired(ticket):
                self._traces.keep(id_, ticket.trace())
        self._evidence -= before - left

    def shed(self, count: int) -> None:
        """Forget *count* ids of those whose count alone is kept."""
        self._traces.shed(count)

    def _expired(self, ticket: _Ticket) -> bool:
        """Whether *ticket* has been forgotten by a cleaning. A late line that came after the cleaning counts all the same."""
        return ticket.last_at <= self._oldest and ticket.round != self._round

    def _begin(self, match: Match, expired: _Ticket | None) -> _Ticket:
        """Return a ticket for an id that has none, or an *expired* one: a new one, or one that goes on from a trace."""
        if expired is not None:
            self._evidence -= expired.size
        # The fields are mostly parts of the line, each at most as long as it is.
        size = _TICKET + 3 * sum(map(len, match.lines))
        self._grown += size
        ticket = _Ticket(match.at, match.fields, size)
        trace = self._traces.take(match.id)
        if trace is not None and trace.last_at > self._oldest:
            ticket.go_on(trace)
        return ticket

    def _scale(self, ticket: _Ticket, at: float) -> None:
        findtime = self._settings.findtime
        ticket.retries = round(ticket.retries / (at - ticket.since) * findtime)
        ticket.since = at - findtime

    def _count_exactly(self, ticket: _Ticket, at: float, weight: int) -> None:
        last_at = ticket.last_at
        ticket.last_at = max(last_at, at)
        oldest = ticket.last_at - self._settings.findtime
        if ticket.times is None:  # counted by estimate until now: as if all had failed when the last did
            ticket.times = [last_at] * ticket.retries
        times = ticket.times
        for _ in range(weight):
            if times and at < times[-1]:
                insort(times, at)  # logs of several writers are not quite in order
            else:
                times.append(at)
        del times[: bisect_left(times, oldest)]
        ticket.since = times[0]
        ticket.retries = len(times)

    def _remove_old(self) -> None:
        """Those at the old end; who stands behind somebody younger, because logs are not quite in order, leaves with him."""
        oldest = self._oldest
        old: list[str] = []
        for id_, ticket in self._tickets.items():
            if ticket.last_at > oldest or len(old) == _AT_ONCE:
                break
            old.append(id_)
        for id_ in old:
            self._evidence -= self._tickets.pop(id_).size
        self._dirty = len(old) + self._traces.expire(self._oldest, _AT_ONCE) >= _AT_ONCE
