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
from dataclasses import dataclass
from pathlib import Path

import banish
from banish.config.jails import Configuration, load
from banish.config.settings import DaemonSettings, load_settings
from banish.control.server import ControlServer
from banish.daemon.assembly import Assembly, Running, assemble
from banish.daemon.background import world
from banish.daemon.complaints import given_up, unread, unreadable, unspared
from banish.daemon.ears import Ears
from banish.daemon.guard import Guard
from banish.daemon.importing import Importing
from banish.daemon.logbook import Logbook
from banish.daemon.notifying import Notifier
from banish.daemon.pipeline import Pipeline
from banish.daemon.protection import Protection
from banish.daemon.purging import Purging
from banish.daemon.questions import Answer, Questions
from banish.daemon.restoring import Restoring, without_collection
from banish.daemon.service import Service
from banish.daemon.sourcing import Sourcing, ages, beginning, from_head, handed_over, logpaths, part_of
from banish.daemon.subscribers import Subscribers
from banish.daemon.workers import for_ever, stroke
from banish.decisions.ledger import Ledger
from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands.runner import Runner
from banish.enforcement.dispatch import Dispatch
from banish.errors import ConfigError, Problem, StoreError
from banish.failures.crowd import Crowd
from banish.failures.ignore import CacheSettings
from banish.lookups.commands import Commands
from banish.lookups.hosts import Hosts
from banish.lookups.names import Names
from banish.model import Batch, Incident, JournalBatch, Notice, Question
from banish.sources.files import FileStatus
from banish.sources.inputs import Inputs
from banish.sources.journal import JournalSource
from banish.store.database import Store
from banish.subscription import Subscription

TICK = 1.0
"""Seconds between two looks at what time has brought; the kernel itself ends a ban to the millisecond."""
IDLE = 2.0
"""The same while there is nothing to read and no ban about to end: to be woken is most of what an idle daemon costs."""
CLOCK_JUMP = 2.0


@dataclass(frozen=True, slots=True)
class Options:
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
        self._crowd = Crowd()
        self.logbook = Logbook()
        self.running: dict[str, Running] = {}
        self.broken: dict[str, Problem] = {}
        self.pipeline: Pipeline
        self.protection: Protection
        self.restoring: Restoring
        self.importing: Importing
        self._options = options
        self._guard = Guard()
        self._settings = DaemonSettings()
        self._problems: list[Problem] = []
        self._watchers = Subscribers(self._guard.source)
        self.sourcing = Sourcing()
        self.notifier = Notifier()
        self._names = Names()
        self._commands: Commands
        self._questions: Questions
        self._stopping: asyncio.Event
        self._read_at = 0.0
        self._ahead = time.time() - time.monotonic()
        self._reported: set[str] = set()
        self._ears = Ears(self._disturbed, self.logbook)
        self._purging: Purging
        self._store: Store
        self._dispatch: Dispatch
        self._runner: Runner
        self._source: Inputs
        self._journal: JournalSource

    # The way up

    def prepare(self) -> None:
        """Read the configuration and open the database.

        Raises ConfigError when no jail can run, StoreError when there is no database to be had.
        """
        self._settings, problems = load_settings(self._options.config, self._options.data)
        self._configure_log(self._settings)
        self.logbook.say("server", "INFO", "-" * 50)
        self.logbook.say("server", "INFO", f"Starting banish v{banish.__version__}")
        assembly = self._assembled()
        self._take(assembly, problems)
        _must_be_trusted(self._problems)
        if not self.running:
            raise ConfigError(Problem("no jail can run", _what_to_do(self.broken)))
        path = self._options.state / "banish.sqlite3"
        self._store = Store.open(path, time.time())
        if not self._store.problems:
            self.logbook.say("database", "INFO", f"Connected to persistent database '{path}'")
        for problem in self._store.problems:
            self.logbook.say("database", "ERROR", str(problem))

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until ``stop``; *ready* is called once what earlier runs banned is blocked and commands are answered.

        Raises ControlError when the socket cannot be had, before anything is touched.
        """
        self._stopping = asyncio.Event()
        self._handle_signals()
        service = Service(self)
        server = ControlServer(service, self._options.socket)
        await server.start()
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
            await self._close(server)

    def _begin(self, now: float) -> None:
        """Put in force what earlier runs banned, and open the logs."""
        self._dispatch = Dispatch(self._actions(), lambda: self.ledger)
        self.pipeline = Pipeline(self.ledger, self._dispatch, self._store, self.logbook, self._guard)
        self.protection = Protection(self._names, self.pipeline, self._tell)
        self.restoring = Restoring(self.ledger, self._store, self.protection, self.logbook)
        self.importing = Importing(self.ledger, self._store, self.pipeline, self.protection, self.restoring)
        self.pipeline.subscribe = self._subscribers
        hosts = Hosts()
        self._runner = Runner(
            lambda: self.ledger, world(lambda: self.running, self.ledger, self._store), self.logbook.say, hosts.name_of
        )
        self.pipeline.act = self._runner.apply
        self._commands = Commands(hosts)
        self._questions = Questions(
            self._names,
            self._commands,
            settle=self._settle,
            cache_of=self._ignorecache_of,
            tell=self._tell,
            clock=time.time,
        )
        self.protection.configure(self.running, self._settings.spare, now)
        with without_collection():
            restored = self.restoring.restore(self.running, self.running, now)
            self._tell(self._dispatch.start(now))
            self._runner.configure(self._actions())
        self._ears.attend(self._dispatch.listeners())
        self._source = Inputs(logpaths(self.running), self._store.positions(), begin=self._beginning)
        self._journal = JournalSource(self._store.cursors())
        self._journal.configure(ages(self.running))
        self._purging = Purging(self._store, self.ledger, self.logbook, now)
        for name in self.running:
            self.logbook.say("jail", "INFO", f"Jail '{name}' started")
        self.restoring.tell(restored)

    def stop(self) -> None:
        """Make ``run`` come to its end."""
        self._stopping.set()

    async def _watch(self) -> None:
        workers = [
            asyncio.create_task(for_ever(work, self.logbook))
            for work in (self._read, self._read_streams, self._read_journal, self._keep_time, self._keep_spared)
        ]
        try:
            await self._stopping.wait()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._questions.close()

    async def _read(self) -> None:
        async for batch in self._source.batches():
            self._judge(batch)

    async def _read_streams(self) -> None:
        async for batch in self._source.streamed():
            self._judge(batch)

    async def _read_journal(self) -> None:
        async for batch in self._journal.batches():
            self._judge(batch)

    def _judge(self, batch: Batch | JournalBatch) -> None:
        self._read_at = time.time()
        self.pipeline.feed(batch, self._read_at)
        self._ask()

    async def _keep_time(self) -> None:
        while True:
            await stroke(IDLE if self._idle(time.time()) else TICK)
            now = time.time()
            self._mind_the_clock(now)
            self.pipeline.expire(now)
            for running in self.running.values():
                running.jail.tick(now)
            self._tell(self._dispatch.tick(now))
            self._report_sources()
            self._hand_over(now)
            self._purging.tick(self._settings, now)
            self.pipeline.remember(self._source.positions())
            self.pipeline.remember(self._journal.positions())
            self.pipeline.save(now=now)
            self.notifier.tick(self._in_a_line)

    def _in_a_line(self) -> str:
        problems = len(self.problems())
        told = f"{len(self.running)} jails, {len(self.ledger)} bans"
        return f"{told}; {problems} problems, see 'banish status'" if problems else told

    def _idle(self, now: float) -> bool:
        at_rest = abs(now - self._read_at) > IDLE and self.ledger.next_end() > now + IDLE
        return at_rest and not self._dispatch.problems()

    def _mind_the_clock(self, now: float) -> None:
        """The kernel counts how long a ban has left, we count until when; after the clock was set the two disagree."""
        ahead = now - time.monotonic()
        jumped, self._ahead = ahead - self._ahead, ahead
        if abs(jumped) > CLOCK_JUMP:
            self.logbook.say("server", "WARNING", f"The clock was set by {jumped:+.0f} s; bans end by the new one")
            self._tell(self._dispatch.start(now))

    def _disturbed(self) -> None:
        self._tell(self._dispatch.hear(time.time()))

    async def _keep_spared(self) -> None:
        """Beside the clock, because a name server may take its time."""
        while True:
            await stroke(TICK if self.protection.must_look() else IDLE)
            await self.protection.refresh(time.time())

    async def _close(self, server: ControlServer) -> None:
        await server.close()
        if hasattr(self, "_source"):
            self.pipeline.remember(self._source.positions())
            self.pipeline.remember(self._journal.positions())
            self.pipeline.save(now=time.time())
            self._source.close()
            self._journal.close()
            for name in self.running:
                self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        if hasattr(self, "_runner"):
            await (self._runner.stop() if self._stopping.is_set() else self._runner.abandon())
        self._ears.close()
        if hasattr(self, "_dispatch"):
            # Who did not mean to stop leaves the table standing: the kernel goes on without us.
            self._tell(self._dispatch.stop(keep=self._settings.keepbans or not self._stopping.is_set()))
        try:
            self._store.close()
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))
        self._names.close()
        if hasattr(self, "restoring"):
            await self.restoring.told()
            self.protection.close()
        self.logbook.say("server", "INFO", "Exiting banish")

    # Reload

    def reload(self) -> list[str]:
        """Read the configuration again and go on with it, keeping every ban; return the names of the jails that run.

        Raises ConfigError when it cannot be trusted or no jail could run with it; everything then stays as it was.
        """
        with self.notifier.reloading():
            return self._reload()

    def _reload(self) -> list[str]:
        self.logbook.say("server", "INFO", "Reload all jails")
        try:
            assembly, problems, settings = self._read_again()
            self._configure_log(settings)
        except ConfigError as error:
            self.logbook.say("server", "ERROR", f"Reload refused, all goes on as before: {error}")
            raise
        before, patterns = dict(self.running), {path.pattern for path in logpaths(self.running)}
        self._settings = settings
        self._take(assembly, problems)
        now = time.time()
        for name in before.keys() - self.running.keys():
            # Only the firewall forgets them: should the jail come back, its bans are in the database.
            self.restoring.sleep(name)
            for change in self.ledger.lift_jail(name):
                self.logbook.lifted(change.decision, repealed=True)
            self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        self.protection.configure(self.running, self._settings.spare, now)
        restored = self.restoring.restore(self.running, self.running.keys() - before.keys(), now)
        self.protection.heed(now)
        self._tell(self._dispatch.reconfigure(self._actions(), now))
        self._runner.configure(self._actions())
        self._ears.attend(self._dispatch.listeners())
        self.restoring.tell(restored)
        after = logpaths(self.running)
        self._source.remove(patterns - {path.pattern for path in after})
        self._source.add(after)
        self._journal.configure(ages(self.running))
        for name, since in self.sourcing.since.items():
            self.running[name].jail.bound(since=since)
        self._watchers.forget()
        self._commands.forget()
        self.logbook.say("server", "INFO", "Reload finished.")
        return sorted(self.running)

    def _read_again(self) -> tuple[Assembly, tuple[Problem, ...], DaemonSettings]:
        settings, problems = load_settings(self._options.config, self._options.data)
        assembly = self._assembled()
        _must_be_trusted([*problems, *assembly.problems])
        if not assembly.running:
            raise ConfigError(Problem("no jail could run with this configuration", _what_to_do(assembly.broken)))
        return assembly, problems, settings

    # What others ask

    def problems(self) -> list[Problem]:
        """Return everything that a person should mend, at this moment."""
        log = [self.logbook.trouble] if self.logbook.trouble is not None else []
        ours = [*log, *self._store.problems, *self._dispatch.problems(), *self._runner.problems()]
        return [*self.protection.guardian.problems(), *self._problems, *ours, *self._standing_problems()]

    def incidents(self, subject: str | None, since: float) -> list[Incident]:
        """Return what happened since *since*, to all jails or to *subject* (a jail or an address); the latest, oldest first."""
        self.pipeline.save(now=time.time())
        return self._store.incidents(subject, since)

    def not_in_force(self) -> str:
        """Return what keeps new bans from being in force; empty when nothing does."""
        problems = self._dispatch.problems()
        return str(problems[0]) if problems else ""

    def sources_of(self, name: str) -> list[FileStatus]:
        """Return the files that jail *name* reads now, or its part of the journal."""
        config = self.running[name].config
        if config.reads == "journal":
            return [part_of(config.watch)]
        patterns = {path.pattern for path in config.logpaths}
        return [row for row in self._source.status() if row.found and patterns & self._source.patterns_of(row.path)]

    def every_line_of(self, source: str, name: str) -> str:
        """Return why jail *name* is shown every line of *source* at present; empty when it is not."""
        jail = self.running[name].jail
        return next((each.aside(jail) for each in self._subscribers(source) if jail in each.jails), "")

    # Parts

    def _assembled(self) -> Assembly:
        """Read the configuration and make its jails, each for what it shall read."""
        configuration = load(self._options.config, self._options.data)
        chosen = self.sourcing.choose(configuration, self.running, time.time())
        self._tell(self.sourcing.choices(chosen))
        return self._assemble(chosen)

    def _assemble(self, configuration: Configuration) -> Assembly:
        return assemble(configuration, self.running, self.ledger, self._crowd, self._guard.jail)

    def _hand_over(self, now: float) -> None:
        """Let jails that read the journal read their files, where these have appeared."""
        for handover in self.sourcing.due(self.running, self._journal, now):
            self.running = self._assemble(handed_over(self.running, handover.jail)).running
            self.protection.configure(self.running, self._settings.spare, now)
            running = self.running[handover.jail]
            running.jail.bound(since=handover.since)
            self._source.add(from_head(running.config))
            self._journal.configure(ages(self.running))
            self._tell([handover.notice(running.config)])

    def _configure_log(self, settings: DaemonSettings) -> None:
        options = self._options
        self.logbook.configure(options.logtarget or settings.logtarget, options.loglevel or settings.loglevel)

    def _take(self, assembly: Assembly, problems: Iterable[Problem]) -> None:
        self.running, self.broken = assembly.running, assembly.broken
        self._problems = [*problems, *assembly.problems]
        for problem in self._problems:
            self.logbook.problem(problem)

    def _actions(self) -> dict[str, tuple[ActionSettings, ...]]:
        return {name: running.config.actions for name, running in self.running.items()}

    def _beginning(self, pattern: str, fd: int) -> int:
        return beginning(self.running, pattern, fd, time.time())

    def _subscribers(self, source: str) -> list[Subscription]:
        return self._watchers.of(source, self._source.patterns_of(source), self.running)

    def _ask(self) -> None:
        """Find the answers to what the heart asked, beside the reading of logs."""
        questions, self.pipeline.questions = self.pipeline.questions, []
        self._questions.ask(questions)

    def _settle(self, question: Question, answer: Answer) -> None:
        running = self.running.get(question.jail)
        if running is not None:
            self.pipeline.settle(running.jail.answer(question, answer), time.time())
            self._ask()  # a resolved name may still have to pass ignorecommand

    def _ignorecache_of(self, jail: str) -> CacheSettings | None:
        running = self.running.get(jail)
        return running.config.settings.ignore.cache if running else None

    def _tell(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self.logbook.event(notice)

    def _report_sources(self) -> None:
        """Write into the log what happened to the sources; a problem once, and once more when it comes back."""
        found = {str(problem): problem for problem in self._standing_problems()}
        self._tell(self._journal.notices())
        notices = self._source.notices()
        told = {problem for _, problem in self._source.problems()} if notices else ()
        self._tell(notice for notice in notices if notice.text not in told)
        for text, problem in found.items():
            if text not in self._reported:
                self.logbook.problem(problem)
        self._reported = set(found)

    def _standing_problems(self) -> list[Problem]:
        blind = [*unreadable(self.running, self._source), *unread(self.running, self._journal)]
        return [*blind, *unspared(self.running, self.protection.spared), *given_up(self.running, self._guard)]

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR1, self.logbook.reopen)

    def _reload_by_signal(self) -> None:
        if not hasattr(self, "_source"):
            return  # still starting, with what the configuration says now
        with contextlib.suppress(ConfigError):  # it is in the log
            self.reload()


def _must_be_trusted(problems: Iterable[Problem]) -> None:
    """Raise ConfigError when a file is not what its writer meant: what it says of ``ignoreip`` would be missing."""
    fatal = next((problem for problem in problems if problem.fatal), None)
    if fatal is not None:
        raise ConfigError(fatal)


def _what_to_do(broken: dict[str, Problem]) -> str:
    reasons = "; ".join(f"{name}: {problem}" for name, problem in broken.items())
    return reasons or "enable one: [sshd] enabled = true in jail.local"
