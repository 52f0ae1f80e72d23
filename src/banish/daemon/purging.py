"""Forgets, a little at a time, what is older than somebody wants to know: ended bans, what led to them, the history; and places in
sources, cursors of the journal and counters of jails that nobody reads or runs any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from banish.config.settings import DaemonSettings
from banish.daemon.logbook import Logbook
from banish.daemon.remembering import Remembering
from banish.decisions.ledger import Ledger
from banish.errors import StoreError
from banish.store.database import Store

PURGE_EVERY = 3600.0
"""Seconds between two rounds."""


class Purging:
    """The first round is PURGE_EVERY seconds after *now*. *evidence_wanted* tells whether somebody may still ask what led to a ban
    that was ended with all of its jail.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        logbook: Logbook,
        now: float,
        remembering: Remembering | None = None,
        *,
        evidence_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._evidence_wanted = evidence_wanted
        self._remembering = remembering
        self._ledger = ledger
        self._logbook = logbook
        self._due_at = now + PURGE_EVERY

    def tick(self, settings: DaemonSettings, now: float, sources: Callable[[], Collection[str]] = tuple) -> None:
        """Forget some of what is due to be forgotten; to be called every second or two. *sources* are those that are read now."""
        if 0 <= self._due_at - now <= PURGE_EVERY:
            return
        try:
            purged = self._store.purge(now, settings.dbpurgeage)
            purged += self._store.purge_history(now - settings.historyage)
            if not purged and not self._evidence_wanted():
                purged = self._store.sweep()
            if not purged and self._remembering is not None:
                purged = self._remembering.purge(sources(), now)
        except StoreError as error:
            self._logbook.say("database", "ERROR", str(error))
            purged = 0
        self._due_at = now if purged else now + PURGE_EVERY
        if not purged:
            self._ledger.forget_before(now - settings.dbpurgeage)
