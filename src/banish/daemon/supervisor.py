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
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import banish
from banish.config.jails import load
from banish.config.settings import DaemonSettings, load_settings
from banish.control.server import ControlServer
from banish.daemon.assembly import Assembly, Running, assemble
from banish.daemon.logbook import Logbook
from banish.daemon.pipeline import Pipeline, Subscription
from banish.daemon.service import Service
from banish.daemon.spared import Spared
from banish.decisions import bantime
from banish.decisions.ledger import Ledger
from banish.enforcement.actions import ActionSettings
from banish.enforcement.dispatch import Dispatch
from banish.errors import ConfigError, Problem, StoreError
from banish.jail import Jail
from banish.lines.reader import LineReader, LineSettings
from banish.lookups.names import Names
from banish.model import Notice, Question
from banish.sources.files import FileSource, FileStatus
from banish.sources.paths import LogPath
from banish.store.database import Store

TICK = 0.5
"""Seconds between two looks at what time has brought; the kernel itself ends a ban to the millisecond."""
PURGE_EVERY = 3600.0
"""Seconds between two rounds of forgetting old bans."""
QUESTIONS = 1000
"""How many host names may wait to be resolved; an attacker chooses them, so more are not looked up."""


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
        self.pipeline: Pipeline
        self._options = options
        self._settings = DaemonSettings()
        self._problems: list[Problem] = []
        self._readers: dict[tuple[str, LineSettings], LineReader] = {}
        self._subscriptions: dict[str, tuple[dict[str, Running], frozenset[str], list[Subscription]]] = {}
        """Who watches a source, behind the jails and the patterns of the source that this was found out for."""
        self._names = Names()
        self._spared = Spared(self._names)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Event
        self._purge_at = 0.0
        self._reported: set[str] = set()
        self._store: Store
        self._dispatch: Dispatch
        self._source: FileSource

    # The way up

    def prepare(self) -> None:
        """Read the configuration and open the database.

        Raises ConfigError when no jail can run, StoreError when there is no database to be had.
        """
        self._settings, problems = load_settings(self._options.config, self._options.data)
        self._configure_log()
        self.logbook.say("server", "INFO", "-" * 50)
        self.logbook.say("server", "INFO", f"Starting banish v{banish.__version__}")
        assembly = assemble(load(self._options.config, self._options.data), {})
        self._take(assembly, problems)
        if not self.running:
            raise ConfigError(Problem("no jail can run", _what_to_do(self.broken)))
        path = self._options.state / "banish.sqlite3"
        self._store = Store.open(path, time.time())
        self.logbook.say("database", "INFO", f"Connected to persistent database '{path}'")
        if self._store.problem is not None:
            self.logbook.say("database", "ERROR", str(self._store.problem))

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until ``stop``; *ready* is called once what earlier runs banned is blocked and commands are answered.

        Raises ControlError when the socket cannot be had, before anything is touched.
        """
        self._stopping = asyncio.Event()
        server = ControlServer(Service(self), self._options.socket)
        await server.start()
        try:
            self._dispatch = Dispatch(self._actions(), lambda: self.ledger)
            self.pipeline = Pipeline(self.ledger, self._dispatch, self._store, self.logbook)
            self.pipeline.subscribe = self._subscribers
            self._tell(await self._spared.refresh(self._jails(), time.time()))
            with _without_collection():
                self._restore(time.time())
                self._tell(self._dispatch.start(time.time()))
            self._source = FileSource(self._logpaths(), self._store.positions())
            for name in self.running:
                self.logbook.say("jail", "INFO", f"Jail '{name}' started")
            self._handle_signals()
            ready()
            await self._watch()
        finally:
            self.logbook.say("server", "INFO", "Shutdown in progress...")
            await self._close(server)

    def stop(self) -> None:
        """Make ``run`` come to its end."""
        self._stopping.set()

    async def _watch(self) -> None:
        workers = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_time())]
        ended = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([*workers, ended], return_when=asyncio.FIRST_COMPLETED)
            for worker in done - {ended}:
                worker.result()  # a worker never ends by itself: what it raises is a bug, and must be seen
        finally:
            for task in [*workers, ended, *self._tasks]:
                task.cancel()
            await asyncio.gather(*workers, ended, *self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for batch in self._source.batches():
            self.pipeline.feed(batch, time.time())
            self._ask()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = time.time()
            self.pipeline.expire(now)
            for running in self.running.values():
                running.jail.tick(now)
            self._tell(self._dispatch.tick(now))
            self._tell(self._source.notices())
            self._report_unreadable()
            self._tell(await self._spared.refresh(self._jails(), now))
            self._purge(now)
            self.pipeline.remember(self._source.positions())
            self.pipeline.save(now=now)

    async def _close(self, server: ControlServer) -> None:
        await server.close()
        if hasattr(self, "_source"):
            self.pipeline.remember(self._source.positions())
            self.pipeline.save(now=time.time())
            self._source.close()
            for name in self.running:
                self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        if hasattr(self, "_dispatch"):
            self._tell(self._dispatch.stop())
        try:
            self._store.close()
        except StoreError as error:
            self.logbook.say("database", "ERROR", str(error))
        self._names.close()
        self.logbook.say("server", "INFO", "Exiting banish")

    # Reload

    def reload(self) -> list[str]:
        """Read the configuration again and go on with it, keeping every ban; return the names of the jails that run.

        Raises ConfigError when no jail could run with it; everything then stays as it was.
        """
        self.logbook.say("server", "INFO", "Reload all jails")
        settings, problems = load_settings(self._options.config, self._options.data)
        assembly = assemble(load(self._options.config, self._options.data), self.running)
        if not assembly.running:
            raise ConfigError(
                Problem(
                    "no jail could run with this configuration; all goes on as before", _what_to_do(assembly.broken)
                )
            )
        gone = [name for name in self.running if name not in assembly.running]
        before = {path.pattern for path in self._logpaths()}
        self._settings = settings
        self._configure_log()
        self._take(assembly, problems)
        for name in gone:
            # Only the firewall forgets them: should the jail come back, its bans are in the database.
            for change in self.ledger.lift_jail(name):
                self.logbook.lifted(change.decision, repealed=True)
            self.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        now = time.time()
        self._spared.teach(self._jails(), now)
        self._lift_ignored(now)
        self._tell(self._dispatch.reconfigure(self._actions(), now))
        after = self._logpaths()
        self._source.remove(before - {path.pattern for path in after})
        self._source.add(after)
        self._readers.clear()
        self.logbook.say("server", "INFO", "Reload finished.")
        return sorted(self.running)

    # What others ask

    def problems(self) -> list[Problem]:
        """Return everything that a person should mend, at this moment."""
        unsaved = [self._store.problem] if self._store.problem is not None else []
        return [*self._problems, *unsaved, *self._dispatch.problems(), *self._unreadable()]

    def sources_of(self, name: str) -> list[FileStatus]:
        """Return the files that jail *name* reads now."""
        patterns = {path.pattern for path in self.running[name].config.logpaths}
        return [row for row in self._source.status() if row.found and patterns & self._source.patterns_of(row.path)]

    # Parts

    def _configure_log(self) -> None:
        options, settings = self._options, self._settings
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

    def _logpaths(self) -> list[LogPath]:
        return [path for running in self.running.values() for path in running.config.logpaths]

    def _subscribers(self, source: str) -> list[Subscription]:
        """Who watches *source*, by the line settings they share; asked for every batch."""
        patterns = self._source.patterns_of(source)
        known = self._subscriptions.get(source)
        if known is None or known[0] is not self.running or known[1] != patterns:
            # A reload puts another table of jails in place, so that nothing of before is met again.
            known = self._subscriptions[source] = self.running, patterns, self._find_subscribers(source, patterns)
        return known[2]

    def _find_subscribers(self, source: str, patterns: frozenset[str]) -> list[Subscription]:
        found: dict[LineSettings, Subscription] = {}
        for running in self.running.values():
            if not any(path.pattern in patterns for path in running.config.logpaths):
                continue
            settings = running.jail.settings.lines
            if settings not in found:
                reader = self._readers.get((source, settings)) or LineReader(settings)
                self._readers[source, settings] = reader
                found[settings] = Subscription(reader)
            found[settings].jails.append(running.jail)
        return list(found.values())

    def _restore(self, now: float) -> None:
        """Enter in the ledger what earlier runs banned, as far as its jail runs and would still do it."""
        for (jail, id_), count in self._store.ban_counts().items():
            self.ledger.remember_count(jail, id_, count)
        for decision in self._store.standing(now):
            running = self.running.get(decision.jail)
            if running is None or running.jail.ignore.rule(decision.id, decision.network) is not None:
                continue
            end = decision.expires_at
            if decision.origin == "jail":
                # A bantime that was made shorter counts for the bans that stand as well.
                end = min(end, bantime.ends_at(running.jail.settings.bantime, decision.at))
            entry = self.ledger.apply(replace(decision, origin="restored", expires_at=end), now)
            self.logbook.entry(entry, now)

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
        for question in questions:
            if len(self._tasks) >= QUESTIONS:
                self.logbook.say(
                    "filter", "WARNING", f"Too many names to resolve at once; {question.text} is not looked up"
                )
                continue
            task = asyncio.create_task(self._answer(question))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: Question) -> None:
        networks = await self._names.resolve(question.text, time.time())
        running = self.running.get(question.jail)
        if running is not None:
            self.pipeline.settle(running.jail.answer(question, networks), time.time())

    def _tell(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self.logbook.event(notice)

    def _unreadable(self) -> list[Problem]:
        """What keeps log files from being read: each is a problem of the jails that want it."""
        found = []
        for row in self._source.status():
            if row.found and row.problem is None:
                continue
            patterns = self._source.patterns_of(row.path) or {row.path}
            for name, running in self.running.items():
                if any(path.pattern in patterns for path in running.config.logpaths):
                    text = row.problem or "there is no such file"
                    remedy = "" if row.problem else "create it or correct logpath; it is read as soon as it appears"
                    origin = running.config.origins.get("logpath")
                    found.append(Problem(text, remedy, name, "logpath", row.path, origin, "warning"))
        return found

    def _report_unreadable(self) -> None:
        """Write each of them into the log once, and once more when it comes back after having been well."""
        found = {str(problem): problem for problem in self._unreadable()}
        for text in found.keys() - self._reported:
            self.logbook.problem(found[text])
        self._reported = set(found)

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

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR1, self.logbook.reopen)

    def _reload_by_signal(self) -> None:
        with contextlib.suppress(ConfigError):
            self.reload()


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


def _what_to_do(broken: dict[str, Problem]) -> str:
    reasons = "; ".join(f"{name}: {problem}" for name, problem in broken.items())
    return reasons or "enable one: [sshd] enabled = true in jail.local"
