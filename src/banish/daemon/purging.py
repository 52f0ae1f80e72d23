"""Forgets, a little at a time, what is older than somebody wants to know: ended bans, what led to them, the history."""

from __future__ import annotations

from banish.config.settings import DaemonSettings
from banish.daemon.logbook import Logbook
from banish.decisions.ledger import Ledger
from banish.errors import StoreError
from banish.store.database import Store

PURGE_EVERY = 3600.0
"""Seconds between two rounds."""


class Purging:
    """The first round is PURGE_EVERY seconds after *now*."""

    def __init__(self, store: Store, ledger: Ledger, logbook: Logbook, now: float) -> None:
        self._store = store
        self._ledger = ledger
        self._logbook = logbook
        self._due_at = now + PURGE_EVERY

    def tick(self, settings: DaemonSettings, now: float) -> None:
        """Forget some of what is due to be forgotten; to be called every second or two."""
        if 0 <= self._due_at - now <= PURGE_EVERY:
            return
        try:
            purged = self._store.purge(now, settings.dbpurgeage)
            purged += self._store.purge_history(now - settings.historyage)
            purged = purged or self._store.sweep()
        except StoreError as error:
            self._logbook.say("database", "ERROR", str(error))
            purged = 0
        self._due_at = now if purged else now + PURGE_EVERY
        if not purged:
            self._ledger.forget_before(now - settings.dbpurgeage)
