"""How much all jails together may remember of who has failed.

A crowd of attackers chooses how many ids there are, and may be seen by several jails at once. So the limits hold for the whole
process, and who outgrows them is the largest table, not whoever happens to count next:

* EVIDENCE characters of lines and fields; a byte each, up to four where somebody writes beyond ASCII. Beyond, the ids that
  have been silent for longest go on as traces (see ``traces``).
* IDS traces. Beyond, those with the fewest failures are forgotten, of these those who have been silent for longest: who has
  failed twice stays until nobody is left who has failed once.

A table reports each STEP characters by which it has grown, so that all limits may be exceeded by that much for each jail.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

EVIDENCE = 8 << 20
IDS = 1_200_000
STEP = 1 << 18
_PART = 64
"""A limit that is exceeded makes room for a part of itself, so that the next look is worth it: one in 64."""


class Member(Protocol):
    """The table of one jail."""

    @property
    def evidence(self) -> int:
        """Characters of lines and fields."""

    @property
    def traced(self) -> int:
        """How many traces there are."""

    def fade(self, size: int) -> None:
        """Turn ids into traces until there are *size* characters less of evidence."""

    def shed(self, count: int) -> None:
        """Forget *count* traces."""


class Crowd:
    """The tables of all jails; one that nobody uses any more leaves by itself."""

    def __init__(self, evidence: int = EVIDENCE, ids: int = IDS) -> None:
        self._evidence = evidence
        self._ids = ids
        self._members: WeakSet[Member] = WeakSet()

    def join(self, member: Member) -> None:
        """Take *member* into account."""
        self._members.add(member)

    def settle(self) -> None:
        """Bring all tables within the limits."""
        members = list(self._members)
        while (excess := sum(member.evidence for member in members) - self._evidence) > 0:
            largest = max(members, key=lambda member: member.evidence)
            largest.fade(min(excess + self._evidence // _PART, largest.evidence))
        while (excess := sum(member.traced for member in members) - self._ids) > 0:
            largest = max(members, key=lambda member: member.traced)
            largest.shed(min(excess + self._ids // _PART, largest.traced))
