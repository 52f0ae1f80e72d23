"""Keeps the house standing: builds the rooms from the configuration, lets time pass, reloads, stops.

The law: no jail takes another down, and no trouble ends a ban. What cannot run is left out and named in ``problems()``; bans
end by time, by an administrator, or with their jail.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import banish
from banish.config.settings import DaemonSettings, load_settings
from banish.control.server import ControlServer
from banish.daemon.assembly import Running
from banish.daemon.background import world
from banish.daemon.changeover import Amendment, Changeover
from banish.daemon.ears import Ears
from banish.daemon.guard import Guard
from banish.daemon.importing import Importing
from banish.daemon.latecomers import Latecomers
from banish.daemon.logbook import Logbook
from banish.daemon.notifying import Notifier
from banish.daemon.outlet import Outlet
from banish.daemon.pipeline import Pipeline
from banish.daemon.protection import Protection
from banish.daemon.purging import Purging
from banish.daemon.questions import Answer, Questions
from banish.daemon.remembering import Remembering
from banish.daemon.restoring import Restoring, without_collection
from banish.daemon.service import Service
from banish.daemon.sourcing import Sourcing, ages, beginning, logpaths, part_of
from banish.daemon.subscribers import Subscribers
from banish.daemon.telling import Telling
from banish.daemon.troubles import Troubles
from banish.daemon.workers import for_ever, stroke
from banish.decisions.ledger import Ledger
from banish.enforcement.commands.runner import Runner
from banish.enforcement.dispatch import Dispatch
from banish.errors import ConfigError, Problem, StoreError
from banish.failures.crowd import Crowd
from banish.failures.ignore import CacheSettings
from banish.lookups.commands import Commands
from banish.lookups.hosts import Hosts
from banish.lookups.names import Names
from banish.model import Batch, Event, Incident, JournalBatch, Notice, Question
from banish.sources.files import FileStatus
from banish.sources.inputs import Inputs
from banish.sources.journal import JournalSource
from banish.store.database import Store
from banish.subscription import Subscription

TICK = 1.0
"""Seconds between two looks at what time has brought; the kernel itself ends a ban to the millisecond."""
IDLE = 2.0
"""The same while no ban is about to end and all is well: to be woken is most of what a tick costs."""


class Options(NamedTuple):
    """The command line of ``banishd``; None leaves the choice to the configuration."""

    config: Path
    state: Path
    socket: Path
    data: Path
    loglevel: str | None = None
    logtarget: str | None = None


class Supervisor:
    """The daemon. ``prepare`` once, then ``run`` until ``stop``."""

    def __init__(self, options: Options) -> None:
        self.started_at = time.time()
        self.ledger = Ledger()
        self.crowd = Crowd()
        self.logbook: Logbook = Logbook()
        self.telling = Telling(self.logbook)
        self.running: dict[str, Running] = {}
        self.broken: dict[str, Problem] = {}
        self.pipeline: Pipeline
        self.protection: Protection
        self.restoring: Restoring
        self.remembering: Remembering
        self.importing: Importing
        self.options: Options = options
        self.guard = Guard()
        self.settings: DaemonSettings = DaemonSettings()
        self.own_problems: list[Problem] = []
        """Of the configuration, as it was read and as it was changed since."""
        self.changes: dict[str, list[Amendment]] = {}
        """What was set at run time, by jail; under "" what concerns the daemon."""
        self.changeover = Changeover(self)
        self.watchers = Subscribers(self.guard.source)
        self.sourcing = Sourcing()
        self.notifier = Notifier()
        self._names = Names()
        self.commands: Commands
        self._questions: Questions
        self._stopping: asyncio.Event
        self._begun_at = self.started_at
        self.ears = Ears(self._disturbed, self.logbook)
        self._purging: Purging
        self.store: Store
        self.dispatch: Dispatch
        self.runner: Runner
        self.source: Inputs
        self.server: ControlServer
        self.journal: JournalSource
        self.outlet = Outlet(self)
        self.latecomers = Latecomers(self)
        self.troubles = Troubles(self)

    # The way up

    def prepare(self) -> None:
        """Read the configuration and open the database.

        Raises ConfigError when no jail can run, StoreError when there is no database to be had.
        """
        settings, problems = load_settings(self.options.config, self.options.data)
        self.configure(settings)
        self.logbook.say("server", "INFO", "-" * 50)
        self.logbook.say("server", "INFO", f"Starting banish v{banish.__version__}")
        self.changeover.first(problems)
        path = self.options.state / "banish.sqlite3"
        self.store = Store.open(path, time.time())
        self.store.most_matches = settings.dbmaxmatches
        self.store.in_force = lambda: self.ledger
        if not self.store.problems:
            self.logbook.say("database", "INFO", f"Connected to persistent database '{path}'")
        for problem in self.store.problems:
            self.logbook.say("database", "ERROR", str(problem))

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until ``stop``; *ready* is called once what earlier runs banned is blocked and commands are answered.

        Raises ControlError when the socket cannot be had, before anything is touched.
        """
        self._stopping = asyncio.Event()
        self._handle_signals()
        service = Service(self)
        self.logbook.adopt("transmitter")
        self.server = ControlServer(service, self.options.socket)
        self.server.admit(self.settings.command_group, self.settings.read_group)
        await self.server.start()
        try:
            self._begin(time.time())
            # Names come after the bans: a slow name server must not leave a hole, and whom a name spares is let in then.
            await self.protection.refresh(time.time())
            service.ready = True
            ready()
            self.notifier.ready()
            await self._watch()
        except Exception as error:
            self.logbook.bug("server", "banishd cannot go on", error)
            raise
        finally:
            self.notifier.stopping()
            self.logbook.say("server", "INFO", "Shutdown in progress...")
            await self._close()

    def _begin(self, now: float) -> None:
        """Put in force what earlier runs banned, and open the logs."""
        self.dispatch = Dispatch(self.changeover.actions(), lambda: self.ledger)
        self.pipeline = Pipeline(self.ledger, self.dispatch, self.store, self.logbook, self.guard)
        self.protection = Protection(self._names, self.pipeline, self.tell)
        self.restoring = Restoring(self.ledger, self.store, self.protection)
        self.importing = Importing(self.ledger, self.store, self.pipeline, self.protection, self.restoring)
        self.pipeline.subscribe = self.subscribers_of
        hosts = Hosts()
        self.runner = Runner(
            lambda: self.ledger, world(lambda: self.running, self.ledger, self.store), self.logbook.say, hosts.name_of
        )
        self.pipeline.act = self.runner.apply
        self.pipeline.tell_ends = partial(self.telling.tell, "Unban")
        self.commands = Commands(hosts)
        self.remembering = self.pipeline.remembering = Remembering(self.store)
        self.watchers.read_on = self.remembering.read_on
        self._questions = Questions(
            self._names,
            self.commands,
            settle=self._settle,
            cache_of=self._ignorecache_of,
            tell=self.tell,
            clock=time.time,
            lose=self.remembering.answered,
        )
        self.protection.configure(self.running, self.settings.spare, now)
        missed_from = self._settle_the_clock(now)
        with without_collection(stays=True):
            restored = self.restoring.restore(self.running, self.running, now)
            self.tell(self.dispatch.start(now))
            self.runner.configure(self.changeover.actions())
        self.ears.attend(self.dispatch.listeners())
        self._remember(now, missed_from)
        self.source = Inputs(logpaths(self.running), self.store.positions(), begin=self._beginning)
        self.journal = JournalSource(self.store.cursors())
        self.journal.configure(ages(self.running))
        self._purging = Purging(
            self.store, self.ledger, self.logbook, now, self.remembering, evidence_wanted=self.runner.waiting
        )
        self.reopen_questions()
        self.latecomers.catch_up(now)
        for name in self.running:
            self.logbook.say("jail", "INFO", f"Jail '{name}' started")
        self.telling.tell("Restore Ban", restored)

    def _settle_the_clock(self, now: float) -> float | None:
        """Move bans of earlier runs if the clock was set since; return until when bans have been ended, None for unknown."""
        jumped = self.pipeline.clock.jumped_since(self.remembering.clock) or 0.0
        if jumped:
            self.logbook.say(
                "server", "WARNING", f"The clock was set by {jumped:+.0f} s; bans go on for as long as before"
            )
            self._shift(jumped, now - jumped)
        ended = self.remembering.ended
        return None if ended is None else ended + jumped

    def _remember(self, now: float, missed_from: float | None) -> None:
        """Go on where earlier runs stood, as far as jails know more than their bans."""
        self._begun_at = now
        self.remembering.attend(self.running, now)
        if missed_from is not None:
            for incident in self.restoring.missed(missed_from, now):
                self.pipeline.keep(incident)
        self.pipeline.expire(now)

    def reopen_questions(self) -> None:
        """Ask what an earlier run, or a jail before it left, had no answer to yet."""
        self.pipeline.questions += self.remembering.unanswered(self.running)
        self.ask()

    def stop(self) -> None:
        """Make ``run`` come to its end."""
        self._stopping.set()

    async def _watch(self) -> None:
        workers = [
            asyncio.create_task(for_ever(work, self.logbook))
            for work in (
                self._read,
                self._read_streams,
                self._read_journal,
                self._keep_time,
                self._keep_spared,
                self.outlet.keep,
            )
        ]
        try:
            await self._stopping.wait()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._questions.close()

    async def _read(self) -> None:
        async for batch in self.source.batches():
            self._judge(batch)
            del batch

    async def _read_streams(self) -> None:
        async for batch in self.source.streamed():
            self._judge(batch)

    async def _read_journal(self) -> None:
        async for batch in self.journal.batches():
            self._judge(batch)

    def _judge(self, batch: Batch | JournalBatch) -> None:
        now = time.time()
        self._mind_the_clock(now)
        self.pipeline.feed(batch, now)
        self.ask()

    async def _keep_time(self) -> None:
        while True:
            await stroke(IDLE if self._idle(time.time()) else TICK)
            now = time.time()
            self._mind_the_clock(now)
            self.pipeline.expire(now)
            for running in self.running.values():
                running.jail.tick(now)
            self.tell(self.dispatch.tick(now))
            self.troubles.report()
            self.changeover.hand_over(now)
            self._purging.tick(self.settings, now, self._sources)
            self.pipeline.remember(self.source.positions())
            self.pipeline.remember(self.journal.positions())
            self.pipeline.save(now=now)
            self.notifier.tick(self._in_a_line)

    def _in_a_line(self) -> str:
        problems = len(self.problems())
        told = f"{len(self.running)} jails, {len(self.ledger)} bans"
        return f"{told}; {problems} problems, see 'banish status'" if problems else told

    def _idle(self, now: float) -> bool:
        return self.ledger.next_end() > now + IDLE and not self.dispatch.problems()

    def _mind_the_clock(self, now: float) -> None:
        """A ban lasts as long as it was to last, whoever sets the clock; the kernel goes by a clock that nobody sets."""
        clock = self.pipeline.clock
        slept, jumped = clock.slept(), clock.jumped()
        if jumped:
            self.logbook.say(
                "server", "WARNING", f"The clock was set by {jumped:+.0f} s; bans go on for as long as before"
            )
            before = now - jumped
            self.pipeline.save(now=before)
            self._shift(jumped, before)
            self.ledger.shift(jumped, clock.began(before), before)
            if jumped < 0:
                self.telling.tell("Restore Ban", self.restoring.restore_ended(self.running, now, self._begun_at))
            self._begun_at += jumped
        if jumped or slept:
            self.tell(self.dispatch.start(now))

    def _shift(self, seconds: float, before: float) -> None:
        try:
            self.store.shift(seconds, self.pipeline.clock.began(before), before)
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))

    def _disturbed(self) -> None:
        self.tell(self.dispatch.hear(time.time()))

    async def _keep_spared(self) -> None:
        """Beside the clock, because a name server may take its time."""
        while True:
            await stroke(TICK if self.protection.must_look() else IDLE)
            await self.protection.refresh(time.time())

    async def _close(self) -> None:
        await self.outlet.close()
        await self.server.close()
        if hasattr(self, "source"):
            self.pipeline.remember(self.source.positions())
            self.pipeline.remember(self.journal.positions())
            self.pipeline.save(now=time.time())
            self.source.close()
            self.journal.close()
            for name in self.running:
                self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        if hasattr(self, "runner"):
            await (self.runner.stop() if self._stopping.is_set() else self.runner.abandon())
        self.ears.close()
        if hasattr(self, "dispatch"):
            # Who did not mean to stop leaves the table standing: the kernel goes on without us.
            self.tell(self.dispatch.stop(keep=self.settings.keepbans or not self._stopping.is_set()))
        try:
            self.store.close()
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))
        self._names.close()
        if hasattr(self, "restoring"):
            await self.telling.told()
            self.protection.close()
        self.logbook.say("server", "INFO", "Exiting banish")

    # What others ask

    def problems(self) -> list[Problem]:
        """Return everything that a person should mend, at this moment."""
        return self.troubles.all()

    def incidents(self, subject: str | None, since: float) -> list[Incident]:
        """Return what happened since *since*, to all jails or to *subject* (a jail or an address); the latest, oldest first."""
        self.pipeline.save(now=time.time())
        return self.store.incidents(subject, since)

    def not_in_force(self) -> str:
        """Return what keeps new bans from being in force; empty when nothing does."""
        problems = self.dispatch.problems()
        return str(problems[0]) if problems else ""

    def sources_of(self, name: str) -> list[FileStatus]:
        """Return the files that jail *name* reads now, or its part of the journal."""
        config = self.running[name].config
        if config.reads == "journal":
            return [part_of(config.watch)]
        patterns = {path.pattern for path in config.logpaths}
        return [row for row in self.source.status() if row.found and patterns & self.source.patterns_of(row.path)]

    def every_line_of(self, source: str, name: str) -> str:
        """Return why jail *name* is shown every line of *source* at present; empty when it is not."""
        jail = self.running[name].jail
        return next((each.aside(jail) for each in self.subscribers_of(source) if jail in each.jails), "")

    # Parts

    def configure(self, settings: DaemonSettings) -> None:
        """Go by *settings*, which concern no jail. Raises ConfigError when the log cannot be written as they say."""
        self.configure_log(settings, self.options.logtarget, self.options.loglevel)
        self.settings = settings
        self._names.allow_ipv6(settings.allowipv6 != "no")
        if hasattr(self, "store"):
            self.store.most_matches = settings.dbmaxmatches
        if hasattr(self, "server"):
            self.server.admit(settings.command_group, settings.read_group)

    def allow_ipv6(self, word: str) -> None:
        """Resolve names to IPv6 addresses as well, unless *word* is ``no``."""
        self.settings = replace(self.settings, allowipv6=word)
        self._names.allow_ipv6(word != "no")

    def settle(self, events: Iterable[Event]) -> None:
        """Carry out what a jail said to a question that came from elsewhere than its logs."""
        self.pipeline.settle(events, time.time())
        self.ask()

    def configure_log(self, settings: DaemonSettings, target: str | None = None, level: str | None = None) -> None:
        """Write the log as *settings* say, to *target* and from *level* on where these are given."""
        self.logbook.configure(target or settings.logtarget, level or settings.loglevel, settings.syslogsocket)

    def _beginning(self, pattern: str, fd: int) -> int:
        return beginning(self.running, pattern, fd, time.time())

    def _sources(self) -> set[str]:
        """Return what is read at present: paths of files, whether there or not, and parts of the journal."""
        followed = {row.path for row in self.source.status()}
        return followed | {watch.name for watch, _ in ages(self.running)}

    def subscribers_of(self, source: str) -> list[Subscription]:
        """Return who watches *source* now."""
        return self.watchers.of(source, self.source.patterns_of(source), self.running)

    def ask(self) -> None:
        """Find the answers to what the heart asked, beside the reading of logs."""
        questions, self.pipeline.questions = self.pipeline.questions, []
        self._questions.ask(questions)

    def _settle(self, question: Question, answer: Answer) -> None:
        running = self.running.get(question.jail)
        self.remembering.answered(question)
        if running is not None:
            self.pipeline.settle(running.jail.answer(question, answer), time.time())
            self.ask()  # a resolved name may still have to pass ignorecommand

    def _ignorecache_of(self, jail: str) -> CacheSettings | None:
        running = self.running.get(jail)
        return running.config.settings.ignore.cache if running else None

    def tell(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self.logbook.event(notice)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR1, self.logbook.reopen)

    def _reload_by_signal(self) -> None:
        if not hasattr(self, "source"):
            return  # still starting, with what the configuration says now
        with contextlib.suppress(ConfigError):  # it is in the log
            self.changeover.reload()
