"""Keeps the house standing: builds the rooms from the configuration, lets time pass, reloads, stops.

The law: no jail takes another down, and no trouble ends a ban. What cannot run is left out and named in ``problems()``; bans
end by time, by an administrator, or with their jail.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import banish
from banish.config.jails import Configuration, JailConfig, load
from banish.config.settings import DaemonSettings, load_settings
from banish.control.server import ControlServer
from banish.daemon.assembly import Assembly, Running, assemble
from banish.daemon.background import figures, history
from banish.daemon.complaints import unread, unreadable, unspared
from banish.daemon.logbook import Logbook
from banish.daemon.pipeline import Pipeline
from banish.daemon.questions import Answer, Questions
from banish.daemon.service import Service
from banish.daemon.sourcing import Sourcing, ages
from banish.daemon.spared import Spared
from banish.decisions.ledger import Ledger
from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands.runner import Runner
from banish.enforcement.commands.ticket import World
from banish.enforcement.dispatch import Dispatch
from banish.errors import ConfigError, Problem, StoreError
from banish.failures.ignore import CacheSettings
from banish.jail import Jail
from banish.lines import entries
from banish.lines.reader import LineReader, LineSettings
from banish.lookups.commands import Commands
from banish.lookups.hosts import Hosts
from banish.lookups.names import Names
from banish.model import Decision, Notice, Question
from banish.sources.files import FileSource, FileStatus
from banish.sources.journal import JournalSource
from banish.sources.paths import LogPath
from banish.store.database import Store
from banish.subscription import Subscription

TICK = 1.0
"""Seconds between two looks at what time has brought; the kernel itself ends a ban to the millisecond."""
IDLE = 2.0
"""The same while there is nothing to read and no ban about to end: to be woken is most of what an idle daemon costs."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until what failed by a bug of ours begins again: 1, 2, 4 … 60."""
CLOCK_JUMP = 2.0
PURGE_EVERY = 3600.0
"""Seconds between two rounds of forgetting old bans."""


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
        self.logbook = Logbook()
        self.running: dict[str, Running] = {}
        self.broken: dict[str, Problem] = {}
        self.dormant: set[str] = set()
        """Jails that do not run now but have bans in the database."""
        self.pipeline: Pipeline
        self._options = options
        self._settings = DaemonSettings()
        self._problems: list[Problem] = []
        self._readers: dict[tuple[str, LineSettings], LineReader] = {}
        self._subscriptions: dict[str, tuple[dict[str, Running], frozenset[str], list[Subscription]]] = {}
        """Who watches a source, behind the jails and the patterns of the source that this was found out for."""
        self._sourcing = Sourcing()
        self._names = Names()
        self._spared = Spared(self._names)
        self._commands: Commands
        self._questions: Questions
        self._stopping: asyncio.Event
        self._purge_at = 0.0
        self._read_at = 0.0
        self._ahead = time.time() - time.monotonic()
        self._reported: set[str] = set()
        self._store: Store
        self._dispatch: Dispatch
        self._runner: Runner
        self._source: FileSource
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
        assembly = assemble(self._configuration(), {}, self.ledger)
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
            await self._refresh_spared()
            service.ready = True
            ready()
            await self._watch()
        except Exception as error:
            self.logbook.bug("server", "banishd cannot go on", error)
            raise
        finally:
            self.logbook.say("server", "INFO", "Shutdown in progress...")
            await self._close(server)

    def _begin(self, now: float) -> None:
        """Put in force what earlier runs banned, and open the logs."""
        self._dispatch = Dispatch(self._actions(), lambda: self.ledger)
        self.pipeline = Pipeline(self.ledger, self._dispatch, self._store, self.logbook)
        self.pipeline.subscribe = self._subscribers
        hosts = Hosts()
        self._runner = Runner(lambda: self.ledger, self._world(), self.logbook.say, hosts.name_of)
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
        self._spared.look(self._jails(), now)
        with _without_collection():
            self._restore(self.running, now)
            self._tell(self._dispatch.start(now))
            self._runner.configure(self._actions())
        self._source = FileSource(self._logpaths(), self._store.positions())
        self._journal = JournalSource(self._store.cursors())
        self._journal.configure(ages(self.running))
        self._purge_at = now + PURGE_EVERY
        for name in self.running:
            self.logbook.say("jail", "INFO", f"Jail '{name}' started")

    def stop(self) -> None:
        """Make ``run`` come to its end."""
        self._stopping.set()

    async def _watch(self) -> None:
        workers = [
            asyncio.create_task(self._for_ever(work))
            for work in (self._read, self._read_journal, self._keep_time, self._keep_spared)
        ]
        try:
            await self._stopping.wait()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._questions.close()

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do *work*, and begin again when it fails: whatever a bug may be, the rest of the protection goes on."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 - see above
                self.logbook.bug("server", f"{work.__name__} failed and begins again in {pause:.0f} s", error)
            await asyncio.sleep(pause)
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)

    async def _read(self) -> None:
        async for batch in self._source.batches():
            self._read_at = time.time()
            self.pipeline.feed(batch, self._read_at)
            self._ask()

    async def _read_journal(self) -> None:
        async for batch in self._journal.batches():
            self._read_at = time.time()
            self.pipeline.feed(batch, self._read_at)
            self._ask()

    async def _keep_time(self) -> None:
        while True:
            await _stroke(IDLE if self._idle(time.time()) else TICK)
            now = time.time()
            self._mind_the_clock(now)
            self.pipeline.expire(now)
            for running in self.running.values():
                running.jail.tick(now)
            self._tell(self._dispatch.tick(now))
            self._report_sources()
            self._hand_over(now)
            self._purge(now)
            self.pipeline.remember(self._source.positions())
            self.pipeline.remember(self._journal.positions())
            self.pipeline.save(now=now)

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

    async def _keep_spared(self) -> None:
        """Beside the clock, because a name server may take its time."""
        while True:
            await _stroke(TICK if self._spared.must_look(self._jails()) else IDLE)
            await self._refresh_spared()

    async def _refresh_spared(self) -> None:
        """Learn who must not be banned, and end the bans of those that are."""
        now = time.time()
        if await self._spared.refresh(self._jails(), now):
            self._lift_ignored(now)

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
        if hasattr(self, "_dispatch"):
            # Who did not mean to stop leaves the table standing: the kernel goes on without us.
            self._tell(self._dispatch.stop(keep=not self._stopping.is_set()))
        try:
            self._store.close()
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))
        self._names.close()
        self.logbook.say("server", "INFO", "Exiting banish")

    # Reload

    def reload(self) -> list[str]:
        """Read the configuration again and go on with it, keeping every ban; return the names of the jails that run.

        Raises ConfigError when it cannot be trusted or no jail could run with it; everything then stays as it was.
        """
        self.logbook.say("server", "INFO", "Reload all jails")
        try:
            assembly, problems, settings = self._read_again()
            self._configure_log(settings)
        except ConfigError as error:
            self.logbook.say("server", "ERROR", f"Reload refused, all goes on as before: {error}")
            raise
        before, patterns = dict(self.running), {path.pattern for path in self._logpaths()}
        self._settings = settings
        self._take(assembly, problems)
        now = time.time()
        for name in before.keys() - self.running.keys():
            # Only the firewall forgets them: should the jail come back, its bans are in the database.
            self.dormant.add(name)
            for change in self.ledger.lift_jail(name):
                self.logbook.lifted(change.decision, repealed=True)
            self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        self._spared.look(self._jails(), now)
        self._restore(self.running.keys() - before.keys(), now)
        self._lift_ignored(now)
        self._tell(self._dispatch.reconfigure(self._actions(), now))
        self._runner.configure(self._actions())
        after = self._logpaths()
        self._source.remove(patterns - {path.pattern for path in after})
        self._source.add(after)
        self._journal.configure(ages(self.running))
        for name, since in self._sourcing.since.items():
            self.running[name].jail.bound(since=since)
        self._readers.clear()
        self._commands.forget()
        self.logbook.say("server", "INFO", "Reload finished.")
        return sorted(self.running)

    def _read_again(self) -> tuple[Assembly, tuple[Problem, ...], DaemonSettings]:
        settings, problems = load_settings(self._options.config, self._options.data)
        assembly = assemble(self._configuration(), self.running, self.ledger)
        _must_be_trusted([*problems, *assembly.problems])
        if not assembly.running:
            raise ConfigError(Problem("no jail could run with this configuration", _what_to_do(assembly.broken)))
        return assembly, problems, settings

    # What others ask

    def problems(self) -> list[Problem]:
        """Return everything that a person should mend, at this moment."""
        log = [self.logbook.trouble] if self.logbook.trouble is not None else []
        ours = [*log, *self._store.problems, *self._dispatch.problems(), *self._runner.problems()]
        return [*self._problems, *ours, *self._standing_problems()]

    def not_in_force(self) -> str:
        """Return what keeps new bans from being in force; empty when nothing does."""
        problems = self._dispatch.problems()
        return str(problems[0]) if problems else ""

    def sources_of(self, name: str) -> list[FileStatus]:
        """Return the files that jail *name* reads now, or its part of the journal."""
        config = self.running[name].config
        if config.reads == "journal":
            return [FileStatus(config.watch.name, 0, 0, True, None)]
        patterns = {path.pattern for path in self.running[name].config.logpaths}
        return [row for row in self._source.status() if row.found and patterns & self._source.patterns_of(row.path)]

    def why_source(self, name: str) -> str:
        """Return why jail *name* reads what it reads."""
        return self._sourcing.why.get(name, "")

    # Parts

    def _configuration(self) -> Configuration:
        """Read the configuration, and choose what each jail reads."""
        read = load(self._options.config, self._options.data)
        chosen = self._sourcing.choose(read, self.running, time.time())
        for config in chosen.jails:
            if config.other is not None:
                self.logbook.say(
                    "jail", "INFO", f"Jail '{config.name}' reads {_read(config)}: {self._sourcing.why[config.name]}"
                )
        return chosen

    def _hand_over(self, now: float) -> None:
        """Let jails that read the journal read their files, where these have appeared."""
        for name, since, why in self._sourcing.due(self.running, self._journal, now):
            jails = [each.config.on("files") if key == name else each.config for key, each in self.running.items()]
            self.running = assemble(Configuration(tuple(jails)), self.running, self.ledger).running
            self.running[name].jail.bound(since=since)
            config = self.running[name].config
            self._source.add(replace(path, start="head") for path in config.logpaths)
            self._journal.configure(ages(self.running))
            self.logbook.say("jail", "NOTICE", f"Jail '{name}' reads {_read(config)} from now on: {why}")

    def _configure_log(self, settings: DaemonSettings) -> None:
        options = self._options
        self.logbook.configure(options.logtarget or settings.logtarget, options.loglevel or settings.loglevel)

    def _take(self, assembly: Assembly, problems: Iterable[Problem]) -> None:
        self.running, self.broken = assembly.running, assembly.broken
        self._problems = [*problems, *assembly.problems]
        for problem in self._problems:
            self.logbook.problem(problem)

    def _jails(self) -> list[Jail]:
        return [running.jail for running in self.running.values()]

    def _actions(self) -> dict[str, tuple[ActionSettings, ...]]:
        return {name: running.config.actions for name, running in self.running.items()}

    def _world(self) -> World:
        """What actions made of commands may ask."""
        return World(
            lambda jail: figures(self.running.get(jail), self.ledger),
            lambda id_: history(self._store, [*self.running], id_),
        )

    def _logpaths(self) -> list[LogPath]:
        reading = [running.config for running in self.running.values() if running.config.reads == "files"]
        return [path for config in reading for path in config.logpaths]

    def _subscribers(self, source: str) -> list[Subscription]:
        """Who watches *source*, by the line settings they share; asked for every batch."""
        patterns = self._source.patterns_of(source)
        known = self._subscriptions.get(source)
        if known is None or known[0] is not self.running or known[1] != patterns:
            # A reload puts another table of jails in place, so that nothing of before is met again.
            known = self._subscriptions[source] = self.running, patterns, self._find_subscribers(source, patterns)
        return known[2]

    def _find_subscribers(self, source: str, patterns: frozenset[str]) -> list[Subscription]:
        found: dict[LineSettings, list[Jail]] = {}
        for running in self.running.values():
            if running.config.reads == "journal":
                if running.config.watch.name == source:
                    found.setdefault(entries.SETTINGS, []).append(running.jail)
            elif any(path.pattern in patterns for path in running.config.logpaths):
                found.setdefault(running.jail.settings.lines, []).append(running.jail)
        for settings in found:
            if (source, settings) not in self._readers:
                self._readers[source, settings] = LineReader(settings)
        return [Subscription(self._readers[source, settings], jails) for settings, jails in found.items()]

    def _restore(self, jails: Collection[str], now: float) -> None:
        """Enter in the ledger what earlier runs, or these jails before they left, have banned."""
        if not jails:
            return
        for (jail, id_), past in self._store.past().items():
            if jail in jails:
                self.ledger.remember(jail, id_, past)
        self.dormant = set()
        for decision in self._store.standing(now):
            if decision.jail not in self.running:
                self.dormant.add(decision.jail)
            elif decision.jail in jails:
                rules = self.running[decision.jail].jail.ignore
                if rules.rule(decision.id, decision.network) is None:
                    self.logbook.entry(self.ledger.apply(replace(decision, origin="restored"), now), now)

    def forget_dormant(self, wanted: Callable[[Decision], bool], now: float) -> list[Decision]:
        """End what is banned in jails that do not run, as far as *wanted*: it would be in force again when they do."""
        if not self.dormant:
            return []
        found = [
            decision for decision in self._store.standing(now) if decision.jail in self.dormant and wanted(decision)
        ]
        self._store.save(pardons=[(decision.jail, decision.id) for decision in found], now=now)
        return found

    def _lift_ignored(self, now: float) -> None:
        """End the bans of whoever ``ignoreip`` spares since the reload."""
        spared = [
            decision
            for decision in self.ledger
            if (running := self.running.get(decision.jail))
            and running.jail.ignore.rule(decision.id, decision.network) is not None
        ]
        self.pipeline.lift(spared, now)

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
        told = set(self._source.problems().values()) if notices else ()
        self._tell(notice for notice in notices if notice.text not in told)
        for text, problem in found.items():
            if text not in self._reported:
                self.logbook.problem(problem)
        self._reported = set(found)

    def _standing_problems(self) -> list[Problem]:
        blind = [*unreadable(self.running, self._source), *unread(self.running, self._journal)]
        return [*blind, *unspared(self.running, self._spared)]

    def _purge(self, now: float) -> None:
        """Forget, a little at a time, bans that ended longer than dbpurgeage ago."""
        if 0 <= self._purge_at - now <= PURGE_EVERY:
            return
        try:
            purged = self._store.purge(now, self._settings.dbpurgeage)
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))
            purged = 0
        self._purge_at = now if purged else now + PURGE_EVERY
        if not purged:
            self.ledger.forget_before(now - self._settings.dbpurgeage)

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


async def _stroke(every: float) -> None:
    """Sleep until the loop's clock is at a multiple of *every* seconds: what is due at the same time wakes the system once."""
    await asyncio.sleep(every - asyncio.get_running_loop().time() % every)


@contextlib.contextmanager
def _without_collection() -> Generator[None]:
    """Do not look for garbage while the block makes what will stay; and never again among what it has made.

    The collector goes through all objects again and again while their number grows, and finds nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read(config: JailConfig) -> str:
    return config.watch.name if config.reads == "journal" else ", ".join(path.pattern for path in config.logpaths)


def _must_be_trusted(problems: Iterable[Problem]) -> None:
    """Raise ConfigError when a file is not what its writer meant: what it says of ``ignoreip`` would be missing."""
    fatal = next((problem for problem in problems if problem.fatal), None)
    if fatal is not None:
        raise ConfigError(fatal)


def _what_to_do(broken: dict[str, Problem]) -> str:
    reasons = "; ".join(f"{name}: {problem}" for name, problem in broken.items())
    return reasons or "enable one: [sshd] enabled = true in jail.local"
