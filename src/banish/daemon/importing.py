"""Takes over what fail2ban has banned: ``banish import``.

A ban that is not over yet is in force afterwards, for as long as it was to last, unless its id is spared here; one of a jail that does
not run waits in the database until it does. How often somebody was banned counts on, and the history has what was in fail2ban's.
To import the same again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from banish.control import commands
from banish.daemon.pipeline import Pipeline
from banish.daemon.protection import Protection
from banish.daemon.restoring import Restoring
from banish.decisions.ledger import Ledger, Past
from banish.errors import ControlError, StoreError
from banish.model import Decision, Incident
from banish.store.database import Store
from banish.store.history import WAITING

if TYPE_CHECKING:
    from banish.control.handler import Imported

_AT_ONCE = 1000
"""Bans that are entered in one go."""


class Importing:
    """Brings bans of another program into the ledger and the database."""

    def __init__(
        self, ledger: Ledger, store: Store, pipeline: Pipeline, protection: Protection, restoring: Restoring
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._pipeline = pipeline
        self._protection = protection
        self._restoring = restoring

    async def fail2ban(self, path: Path, running: Collection[str], now: float) -> Imported:
        """Import the database at *path*; jails of *running* can ban. Raises ControlError when it cannot be read."""
        from banish.store import fail2ban  # noqa: PLC0415 - needed once in the life of a host

        try:
            found = await asyncio.to_thread(fail2ban.read, path)
        except StoreError as error:
            remedy = "give the path of a fail2ban.sqlite3, mostly /var/lib/fail2ban/fail2ban.sqlite3"
            raise ControlError(str(error), commands.FAILED, remedy) from error
        told: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        for start in range(0, len(found.bans), _AT_ONCE):
            self._take(found.bans[start : start + _AT_ONCE], running, now, told, waiting)
            await asyncio.sleep(0)
        events = self._unknown(found.history, now)
        for event in events:
            self._pipeline.keep(event)
        self._pipeline.save(now=now)
        return {
            "file": str(path),
            "banned": told["banned"],
            "prolonged": told["prolonged"],
            "already_banned": told["already banned"],
            "refused": told["refused"] + told["withheld"],
            "over": told["expired"],
            "waiting": dict(waiting),
            "events": len(events),
        }

    def _take(
        self,
        bans: Iterable[Decision],
        running: Collection[str],
        now: float,
        told: Counter[str],
        waiting: Counter[str],
    ) -> None:
        taken: list[Decision] = []
        kept: list[Decision] = []
        for ban in bans:
            if ban.expires_at <= now:
                told["expired"] += 1
                if self._is_news(ban):
                    self._ledger.remember(ban.jail, ban.id, Past(ban.ban_count, ban.at, ban.expires_at))
                    kept.append(ban)
            elif ban.jail not in running:
                if self._is_news(ban):
                    waiting[ban.jail] += 1
                    kept.append(ban)
                    self._restoring.sleep(ban.jail)
            elif self._protection.admits(ban, now):
                taken.append(ban)
            else:
                told["refused"] += 1
        told.update(entry.outcome for entry in self._pipeline.decide(taken, now))
        if kept:
            self._store.save(kept, now=now)

    def _is_news(self, ban: Decision) -> bool:
        """True unless we know of the same ban, or of a later one."""
        if any(standing.id == ban.id for standing in self._standing(ban)):
            return False
        known = self._store.latest(ban.jail, ban.id)
        return known is None or (known.at, known.expires_at) < (ban.at, ban.expires_at)

    def _standing(self, ban: Decision) -> list[Decision]:
        return [] if ban.network is None else self._ledger.find(ban.network, ban.jail)

    def _unknown(self, history: list[Incident], now: float) -> list[Incident]:
        """Return those events that are not in the history yet, the last ones as far as it has room for them."""
        first = history[0].at if history else now
        known = {(event.at, event.jail, event.id) for event in self._store.incidents(None, first, 1_000_000)}
        return [event for event in history if (event.at, event.jail, event.id) not in known][-WAITING:]
