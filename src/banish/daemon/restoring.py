"""What earlier runs banned: which of it stands again, and how that is told.

There may be half a million, so nothing here costs more than some microseconds for each, and the log is written in bulk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from banish.daemon.assembly import Running
from banish.daemon.logbook import Logbook
from banish.decisions import bantime
from banish.model import Decision

SLICE = 1000
"""Lines that are written to the log in one go."""


def restorable(
    found: Iterable[Decision], running: Mapping[str, Running], jails: Collection[str], dormant: set[str]
) -> Iterator[Decision]:
    """Yield what of *found* is to stand again in *jails*: nobody that is spared, and no longer than ``bantime`` allows today.

    Jails that do not run are added to *dormant*.
    """
    for decision in found:
        known = running.get(decision.jail)
        if known is None:
            dormant.add(decision.jail)
        elif decision.jail in jails and known.jail.ignore.rule(decision.id, decision.network) is None:
            yield bantime.shortened(known.jail.settings.bantime, decision)


def slices(decisions: Sequence[Decision]) -> Iterator[Sequence[Decision]]:
    """Yield *decisions* as they are told at once."""
    for start in range(0, len(decisions), SLICE):
        yield decisions[start : start + SLICE]


def tell(logbook: Logbook, decisions: Sequence[Decision]) -> None:
    """Write the line of each restored ban, as fail2ban does."""
    logbook.say_all("actions", "NOTICE", [f"[{ban.jail}] Restore Ban {ban.id}" for ban in decisions])
