"""THE SPINE: how a stretch of a log becomes bans in the kernel. One screen; everything else is a room it passes.

::

    batch ─▶ subscription: shares ─▶ jail: events ─▶ guardian ─▶ ledger: changes ─▶ dispatch: firewall
                                                                        ├───▶ store: bans, positions and counters, one commit
                                                                        └───▶ actions made of commands, in tasks of their own

The firewall comes first and the database second: the attacker waits for nobody, and if we die in between, the position of the
lines has not been saved either, so that they are judged again. So bans that follow each other quickly may share a commit, unless
they came from where nothing can be read again (a pipe, a socket). What is saved is the state between two batches, whole: a batch
is judged by all its jails, and its position noted, before anything that came of it is carried out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from banish.daemon.guard import Guard
from banish.daemon.guardian import Guardian
from banish.daemon.logbook import Logbook
from banish.daemon.lookback import Missed
from banish.daemon.places import Places
from banish.daemon.remembering import Remembering
from banish.daemon.timekeeping import Timekeeping
from banish.decisions.ledger import Entry, Ledger
from banish.enforcement.dispatch import Dispatch
from banish.errors import StoreError
from banish.jail import Jail
from banish.lines.reader import LineReader
from banish.model import (
    Batch,
    Change,
    Cursor,
    Decision,
    Event,
    Failure,
    Ignored,
    Incident,
    IncidentKind,
    JournalBatch,
    Notice,
    Position,
    Question,
)
from banish.store.database import Store
from banish.store.history import WAITING
from banish.subscription import Subscription
from banish.telemetry.measures import Measures

SURELY = 3.0
"""Seconds after which a ban must have had its effect on the log."""
AT_MOST = 1.0
"""Seconds between two commits while bans follow each other: what they came of would be read again."""


@dataclass(slots=True)
class Judged:
    """How much of one source has been read and judged."""

    lines: int = 0
    bytes: int = 0


class Pipeline:
    """Takes batches in, and makes what they lead to happen."""

    def __init__(
        self, ledger: Ledger, dispatch: Dispatch, store: Store, logbook: Logbook, guard: Guard | None = None
    ) -> None:
        self.ledger = ledger
        self.judged: defaultdict[str, Judged] = defaultdict(Judged)
        self.questions: list[Question] = []
        """What somebody must answer through ``settle(jail.answer(...))``; taken away by who does."""
        self.subscribe: Callable[[str], list[Subscription]] = lambda source: []
        """Who watches a source; replaced on start and reload."""
        self.act: Callable[[Sequence[Change], bool], None] = lambda changes, forgotten: None
        """Who else is told of changes, once the firewall has them: actions made of commands; and whether the database forgets at once
        what led to the bans that end.
        """
        self.tell_ends: Callable[[Sequence[Decision]], None] = logbook.all_lifted
        """Who writes into the log that bans ended."""
        self.guardian: Guardian | None = None
        """Who may refuse a decision; None lets every one pass."""
        self.remembering: Remembering | None = None
        """Who keeps what jails know beyond bans; None: nobody."""
        self.clock = Timekeeping()
        self._fed: set[Jail] = set()
        """Jails that were shown lines since the last save."""
        self._dispatch = dispatch
        self._store = store
        self._logbook = logbook
        self._guard = guard or Guard()
        self.measures = Measures()
        """What can be counted of all this."""
        self.places = Places()
        """Where the lines of failures were read."""
        self._began: tuple[float, float] | None = None
        """When the live batch that is carried out at present was read: Unix seconds, and by ``perf_counter``."""
        self._repeatable = False
        """Whether that batch could be read again after a crash."""
        self._saved_at = -AT_MOST
        """When bans were saved last."""
        self._expired_at: float | None = None
        """Until when bans have been ended, which the database does not know yet."""
        self._passed = False
        """Whether the database has been told of that in this run."""
        self._incidents: list[Incident] = []
        self._positions: dict[str, Position | Cursor] = {}
        self._saved: dict[str, Position | Cursor] = {}

    def feed(self, batch: Batch | JournalBatch, now: float) -> None:
        """Judge *batch* and carry out what follows."""
        events: list[Event] = []
        measures, began = self.measures, perf_counter()
        with self._guard.watching():
            for subscription in self.subscribe(batch.source):
                for jail, share in subscription.shares(batch.data, now):
                    self._fed.add(jail)
                    before = perf_counter()
                    try:
                        events += jail.feed(share, now, live=batch.live)
                    except Exception as error:  # noqa: BLE001 - a bug in one jail must not take the others down
                        self._logbook.bug(
                            "jail", f"[{jail.name}] failed on lines of {batch.source}, which it did not judge", error
                        )
                    measures.filter_seconds[jail.name] += perf_counter() - before
        judged = self.judged[batch.source]
        judged.lines += len(batch.data) - len(batch.data.replace(b"\n", b""))  # three times as fast as to count them
        judged.bytes += len(batch.data)
        self._positions[batch.source] = batch.position
        measures.judged(perf_counter() - began)
        if not events:
            return
        self.places.begin(batch, events)
        self._began = (now, began) if batch.live else None
        self._repeatable = isinstance(batch.position, Cursor) or batch.position.inode != 0
        try:
            self.settle(events, now)
        finally:
            self.places.end()
            self._began, self._repeatable = None, False

    def catch_up(self, source: str, position: Position | Cursor, missed: Iterable[Missed], now: float) -> None:
        """Let jails judge what they *missed* of *source* before *position*, by themselves and at one blow: what they then know is
        saved together with that they do.
        """
        events: list[Event] = []
        with self._guard.watching():
            for jails, settings, blocks in missed:
                subscription = Subscription(LineReader(settings, patience=self._guard.source(source)), jails)
                for data in blocks:
                    for jail, share in subscription.shares(data, now):
                        events += jail.feed(share, now, live=False)
                self._fed.update(jails)
        self._positions[source] = position
        self.settle(events, now)

    def settle(self, events: Iterable[Event], now: float) -> None:
        """Carry out what a jail said: decisions through the ledger, questions to who can answer, the rest into the log."""
        decisions = []
        told: list[Failure | Ignored | Notice] = []
        for event in events:
            if isinstance(event, Decision):
                decisions.append(event)
            elif isinstance(event, Question):
                self.questions.append(event)
                if self.remembering is not None:
                    self.remembering.asked(event, now)
            else:
                told.append(event)
                if event.__class__ is Ignored:
                    self.measures.ignored[event.jail] += 1
        self._logbook.events(told)
        if decisions:
            self.decide(decisions, now)

    def decide(self, decisions: Iterable[Decision], now: float) -> list[Entry]:
        """Enter *decisions* in the ledger, unless the guardian refuses, and carry out what follows; return what became of each."""
        entries = []
        changes = []
        again = []
        if self.guardian is not None:
            self.guardian.attend(now)
        for decision in decisions:
            entry = self._enter(decision, now)
            entries.append(entry)
            if entry.change is not None:
                changes.append(entry.change)
            elif (
                entry.outcome == "already banned"
                and decision.network is not None
                and (decision.origin == "admin" or now - entry.decision.at > SURELY)
            ):
                # It should not have been able to fail again: somebody may have taken the ban out of the kernel.
                again.append(Change("prolong", entry.decision))
        notices = self._carry_out(changes, now, again)
        told = [
            entry for entry in entries if entry.outcome not in ("refused", "withheld")
        ]  # of these the guardian has told
        self._logbook.entries(told, now)  # after the fact: when the log says Ban, the address is blocked
        self._logbook.events(notices)
        return entries

    def keep(self, incident: Incident) -> None:
        """Put *incident* into the history, with the next save."""
        self._incidents.append(incident)

    def lift(self, decisions: Iterable[Decision], now: float, why: str = "") -> list[Decision]:
        """End the bans that *decisions* are, as mistaken ones: they no longer count; return those that stood.

        *why* is for the history.
        """
        changes = [change for each in decisions if (change := self.ledger.pardon(each.jail, each.id)) is not None]
        self._tell_history(changes, "unbanned", now, why)
        return self._end(changes, now, pardoned=True)

    def lift_all(self, jails: Iterable[str], now: float) -> dict[str, list[Decision]]:
        """End every ban of *jails*, as ``lift`` does, and return them by jail."""
        lifted = {jail: self.ledger.pardon_jail(jail) for jail in jails}
        changes = [Change("unban", ban) for bans in lifted.values() for ban in bans]
        self._tell_history(changes, "unbanned", now)
        self._end(changes, now, pardoned=True, jails=list(lifted))
        return lifted

    def expire(self, now: float) -> list[Decision]:
        """End the bans whose time is over, and return them."""
        changes = self.ledger.expire(now)
        self._expired_at = now
        self._tell_history(changes, "expired", now)
        return self._end(changes, now)

    def remember(self, positions: Mapping[str, Position] | Mapping[str, Cursor]) -> None:
        """Take note of how far sources are judged, for the next save; what has not moved since the last one costs nothing."""
        self._positions.update({source: at for source, at in positions.items() if self._saved.get(source) != at})

    def save(
        self, changes: Iterable[Change] = (), *, now: float, pardoned: bool = False, jails: Sequence[str] = ()
    ) -> None:
        """Commit *changes* and all positions since the last time. A database in trouble is the store's to report and retry.

        *pardoned*: that bans ended is because they were mistaken, and they are forgotten; *jails*: all bans of these were.
        """
        if jails:
            changes = ()
        bans = [change.decision for change in changes if change.op != "unban"]
        if self._repeatable and 0 <= now - self._saved_at < AT_MOST:
            self._store.hold(bans, self._incidents)
            self._incidents = []
            return
        ended = [(change.decision.jail, change.decision.id) for change in changes if change.op == "unban"]
        unbans, pardons = ([], ended) if pardoned else (ended, [])
        self._note(now)
        news = bans or ended or jails or self._positions or self._incidents
        if not (news or self._store.dirty or self._store.lost(now)):
            return
        # Whatever ends is saved at once, so that this is exact although it is not written with every ban. The first save of a run
        # brings into the history what ended in between.
        if self.remembering is not None and self._expired_at is not None and (ended or not self._passed):
            self._passed = True
            self.remembering.passed(self._expired_at, self.clock.mark)
        incidents, self._incidents = self._incidents, []
        try:
            self._store.save(
                bans, unbans, self._positions, pardons=pardons, pardoned_jails=jails, incidents=incidents, now=now
            )
        except StoreError as error:
            self._logbook.say("database", "ERROR", str(error))
        if bans:
            self._saved_at = now
        self._saved.update(self._positions)  # or kept by the store, until it can
        self._positions = {}

    def _note(self, now: float) -> None:
        """Have it noted where the jails and sources stand that were at work since the last save."""
        fed, self._fed = self._fed, set()
        remembering = self.remembering
        if remembering is None:
            return
        remembering.note(fed, now)
        for source in self._positions:
            subscriptions = self.subscribe(source)
            jails = sorted(jail.name for each in subscriptions for jail in each.jails)
            remembering.judged(source, [each.reader for each in subscriptions], tuple(jails), now)

    def _enter(self, decision: Decision, now: float) -> Entry:
        """Pass *decision* by the guardian into the ledger, and into the history if something came of it."""
        guardian = self.guardian
        if guardian is not None and (refused := guardian.admit(decision, now)) is not None:
            self.measures.refused[decision.jail] += 1
            return refused
        entry = self.ledger.apply(decision, now)
        standing = entry.decision
        if entry.outcome in ("banned", "prolonged"):
            kind: IncidentKind = "banned" if entry.outcome == "banned" else "prolonged"
            self.keep(Incident(now, standing.jail, kind, standing.id, standing.reason, standing.origin))
            if guardian is not None and kind == "banned":
                guardian.banned(standing, now)
        return entry

    def _tell_history(self, changes: Sequence[Change], kind: IncidentKind, now: float, why: str = "") -> None:
        for _, decision in changes[-WAITING:]:  # of more the history keeps no more
            self.keep(Incident(now, decision.jail, kind, decision.id, why, decision.origin))

    def _end(
        self, changes: list[Change], now: float, *, pardoned: bool = False, jails: Sequence[str] = ()
    ) -> list[Decision]:
        notices = self._carry_out(changes, now, pardoned=pardoned, jails=jails)
        ended = [change.decision for change in changes]
        self.tell_ends(ended)
        self._logbook.events(notices)
        return ended

    def _carry_out(
        self,
        changes: list[Change],
        now: float,
        again: Sequence[Change] = (),
        *,
        pardoned: bool = False,
        jails: Sequence[str] = (),
    ) -> list[Notice]:
        """Bring *changes* into the firewall in one go, then into the database together with how far the sources are judged.

        *again* is what stands already: the firewall is told once more, and who runs commands may look whether it still holds.
        """
        if not (changes or again):
            return []
        notices = self._dispatch.apply([*changes, *again], now)
        if self._began is not None:
            self.measures.in_force(changes, *self._began)
        # Only taken note of; before the database forgets what led to a mistaken ban. Of whole jails that is left for later.
        self.act([*changes, *again], pardoned and not jails)
        self.save(self.places.placed(changes), now=now, pardoned=pardoned, jails=jails)
        return notices
