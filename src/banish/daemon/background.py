"""What actions made of commands may ask of the daemon: the figures of a jail, and what the database knows of an id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from banish.daemon.assembly import Running
from banish.decisions.ledger import Ledger
from banish.enforcement.commands.ticket import Figures, World
from banish.errors import StoreError
from banish.model import Decision
from banish.store.database import Store


def world(running: Callable[[], Mapping[str, Running]], ledger: Ledger, store: Store) -> World:
    """Return whom to ask: the jails that are *running* at that time, the *ledger* and the *store*."""
    return World(
        lambda jail: figures(running().get(jail), ledger),
        lambda id_: history(store, running(), id_),
        lambda ban: evidence(store, ban),
    )


def figures(running: Running | None, ledger: Ledger) -> Figures:
    """Return the numbers of a jail at this moment; noughts for one that does not run any more."""
    if running is None:
        return Figures()
    jail, name = running.jail, running.config.name
    bantime = jail.settings.bantime.bantime
    return Figures(ledger.banned(name), ledger.banned_total(name), jail.failed_now, jail.failed_total, bantime)


def latest(store: Store, jail: str, id_: str) -> Decision | None:
    """Return the last ban of *id_* in *jail*; None when there was none, or when the database cannot be read."""
    try:
        return store.latest(jail, id_)
    except StoreError:
        return None


def evidence(store: Store, ban: Decision) -> Decision:
    """Return *ban* with what led to it; as it is where that is not known, or the database cannot be read."""
    try:
        return store.evidence(ban)
    except StoreError:
        return ban


def history(store: Store, jails: Iterable[str], id_: str) -> list[Decision]:
    """Return the last ban of *id_* in each of *jails*; none when the database cannot be read, which is told elsewhere."""
    found = (latest(store, jail, id_) for jail in jails)
    return [decision for decision in found if decision is not None]
