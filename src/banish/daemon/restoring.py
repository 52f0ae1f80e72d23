"""What earlier runs banned: which of it stands again, and what waits for a jail that does not run.

There may be half a million, so nothing here costs more than some microseconds for each.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from itertools import groupby, islice
from operator import attrgetter

from banish.daemon.assembly import Running
from banish.daemon.protection import Protection
from banish.decisions import bantime
from banish.decisions.ledger import Ledger
from banish.model import Decision, Incident
from banish.store.database import Store
from banish.store.history import WAITING


class Restoring:
    """Brings bans from the database into the ledger."""

    def __init__(self, ledger: Ledger, store: Store, protection: Protection) -> None:
        self._ledger = ledger
        self._store = store
        self._protection = protection
        self._dormant: set[str] = set()
        """Jails that do not run now but have bans in the database."""

    def restore(self, running: Mapping[str, Running], jails: Collection[str], now: float) -> list[Decision]:
        """Enter in the ledger what earlier runs, or these *jails* before they left, have banned; return what stands of it."""
        if not jails:
            return []
        for (jail, id_), past in self._store.past(now):
            if jail in jails:
                self._ledger.remember(jail, id_, past)
        self._dormant = set()
        return self._ledger.restore(self._restorable(running, jails, now, self._store.standing(now)), now)

    def restore_ended(self, running: Mapping[str, Running], now: float, started_at: float) -> list[Decision]:
        """Enter bans that had ended when the daemon started, by a clock that was wrong: at *now* they have not; return them."""
        return self._ledger.restore(self._restorable(running, running, now, self._store.ended(now, started_at)), now)

    def missed(self, since: float, now: float) -> list[Incident]:
        """Return for the history what ended after *since*, when the last run ended bans, while nobody was there to see it."""
        found = islice(self._store.ended(since, now), WAITING)
        return [Incident(ban.expires_at, ban.jail, "expired", ban.id, "", ban.origin) for ban in found]

    def sleep(self, jail: str) -> None:
        """Take note that *jail* does not run any more, and that its bans wait for it."""
        self._dormant.add(jail)

    def forget_dormant(self, wanted: Callable[[Decision], bool], now: float) -> list[Decision]:
        """End what is banned in jails that do not run, as far as *wanted*: it would be in force again when they do."""
        if not self._dormant:
            return []
        found = [
            decision for decision in self._store.standing(now) if decision.jail in self._dormant and wanted(decision)
        ]
        self._store.save(pardons=[(decision.jail, decision.id) for decision in found], now=now)
        return found

    def _restorable(
        self, running: Mapping[str, Running], jails: Collection[str], now: float, bans: Iterator[Decision]
    ) -> Iterator[Decision]:
        """Yield what of *bans* is to stand again: nobody that is spared, and no longer than ``bantime`` allows today."""
        for jail, ours in groupby(bans, attrgetter("jail")):
            known = running.get(jail)
            if known is None:
                self._dormant.add(jail)
            elif jail in jails:
                yield from bantime.all_shortened(
                    known.jail.settings.bantime, self._protection.admitted(jail, ours, now)
                )


@contextlib.contextmanager
def without_collection(*, stays: bool) -> Generator[None]:
    """Do not look for garbage while the block makes very many objects; and never again among what it has made, where that *stays*.

    The collector goes through all objects again and again while their number grows, and finds nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        if stays:
            gc.freeze()
        gc.enable()
