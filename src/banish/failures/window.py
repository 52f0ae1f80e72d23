"""Counts the failures of one jail within ``findtime``.

``window = estimate`` is how fail2ban counts, and the default, because the same log must lead to the same bans: when an id's
window has become longer than findtime, the count so far is scaled down to what its average rate gives for findtime, and the
window is moved up. Three failures at 0, 300 and 700 s with findtime 600 therefore count 3, although only two of them are less
than 600 s old. ``window = exact`` counts what is really inside the last findtime seconds: two.

The table is bounded (``LIMIT`` ids). When it is full, ids whose last failure has left the window go first, then those with
the fewest failures, the longest silent first: who is about to reach maxretry stays.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from banish.model import Failure, Fields, Match

LIMIT = 200_000
LONGEST_LINE = 2048
"""Characters of a line that are kept as evidence: an attacker chooses how long his lines are."""
_CLEAN_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """jail.conf(5) ``maxretry``, ``findtime`` (seconds), ``maxmatches``; ``window`` is ours: how failures are counted."""

    maxretry: int = 5
    findtime: float = 600.0
    maxmatches: int = 5
    window: Literal["estimate", "exact"] = "estimate"


class _Ticket:
    """What is known of one id: its window, its last lines, and the fields of its first failure."""

    __slots__ = ("attempts", "fields", "last_at", "matches", "retries", "since", "times")

    def __init__(self, match: Match) -> None:
        self.since = self.last_at = match.at
        self.retries = self.attempts = 0
        self.times: deque[float] = deque()
        self.matches: deque[str] = deque()
        self.fields: Fields = match.fields


class Window:
    """The failures of one jail. An id that reached maxretry is forgotten at once, so that it counts from zero again."""

    def __init__(self, jail: str, settings: WindowSettings, limit: int = LIMIT) -> None:
        self._jail = jail
        self._settings = settings
        self._limit = limit
        self._tickets: dict[str, _Ticket] = {}
        self._cleaned_at = 0.0
        self.total = 0
        """Failures counted since the jail started."""

    def __len__(self) -> int:
        """How many ids have failures that count."""
        return len(self._tickets)

    def reconfigure(self, settings: WindowSettings) -> None:
        """Go on with other settings; what has been counted stays counted."""
        self._settings = settings

    def count(self, match: Match, weight: int = 1, bans: int = 0) -> Failure:
        """Count *match*; ``Failure.due`` when it has reached maxretry, and the id begins at zero again.

        It counts as *weight* failures; *bans*, how often the id was banned before, is only passed on.
        """
        self.total += 1
        ticket = self._tickets.get(match.id)
        if ticket is None:
            if len(self._tickets) >= self._limit:
                self._make_room(match.at)
            ticket = self._tickets[match.id] = _Ticket(match)
        if self._settings.window == "exact":
            self._count_exactly(ticket, match.at, weight)
        else:
            self._estimate(ticket, match.at, weight)
        ticket.attempts += 1
        self._remember(ticket, match.lines)
        due = ticket.retries >= self._settings.maxretry
        if due:
            del self._tickets[match.id]
        return Failure(
            self._jail,
            match.id,
            match.network,
            match.at,
            ticket.retries,
            ticket.since,
            tuple(ticket.matches),
            ticket.fields,
            ticket.attempts,
            bans,
            weight,
            due,
        )

    def tick(self, now: float) -> None:
        """Forget ids whose last failure is findtime or longer ago; looks at most every five seconds."""
        if now - self._cleaned_at >= _CLEAN_EVERY or now < self._cleaned_at:
            self._cleaned_at = now
            self._forget_old(now)

    def ids(self) -> Iterator[tuple[str, int]]:
        """Every id with its estimate as of its last failure."""
        return ((id_, ticket.retries) for id_, ticket in self._tickets.items())

    def forget(self, id_: str) -> None:
        """Start *id_* from zero; an unknown id is fine."""
        self._tickets.pop(id_, None)

    def _estimate(self, ticket: _Ticket, at: float, weight: int) -> None:
        findtime = self._settings.findtime
        if at > ticket.last_at:
            if ticket.since < at - findtime:
                ticket.retries = round(ticket.retries / (at - ticket.since) * findtime)
                ticket.since = at - findtime
            ticket.last_at = at
        ticket.retries += weight

    def _count_exactly(self, ticket: _Ticket, at: float, weight: int) -> None:
        ticket.last_at = max(ticket.last_at, at)
        oldest = ticket.last_at - self._settings.findtime
        times = ticket.times
        for _ in range(weight):
            if times and at < times[-1]:
                insort(times, at)  # logs of several writers are not quite in order
            else:
                times.append(at)
        while times and times[0] < oldest:
            times.popleft()
        ticket.since = times[0]
        ticket.retries = len(times)

    def _remember(self, ticket: _Ticket, lines: tuple[str, ...]) -> None:
        ticket.matches.extend(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…" for line in lines)
        while len(ticket.matches) > self._settings.maxmatches:
            ticket.matches.popleft()

    def _forget_old(self, now: float) -> None:
        oldest = now - self._settings.findtime
        for id_ in [id_ for id_, ticket in self._tickets.items() if ticket.last_at <= oldest]:
            del self._tickets[id_]

    def _make_room(self, now: float) -> None:
        self._forget_old(now)
        excess = len(self._tickets) - self._limit + 1
        if excess > 0:
            # A tenth at a time: the search for the least interesting is then paid for by the next thousands of newcomers.
            weakest = heapq.nsmallest(
                max(excess, self._limit // 10),
                self._tickets.items(),
                key=lambda item: (item[1].retries, item[1].last_at),
            )
            for id_, _ in weakest:
                del self._tickets[id_]
