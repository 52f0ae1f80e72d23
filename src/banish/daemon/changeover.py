"""From one set of jails to another while the daemon runs: a reload, a jail that goes over to its files, a change by ``set``.

The law: a jail that did not change goes on as the same object, nothing that cannot be used is put in force, and only a jail's own
end, an administrator or time ends a ban.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from banish.config.examine import examine
from banish.config.jails import Configuration, JailConfig, load
from banish.config.settings import DaemonSettings, load_settings
from banish.daemon.assembly import Assembly, Running, assemble
from banish.daemon.sourcing import ages, from_head, handed_over, logpaths
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Problem

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor


class Amendment(NamedTuple):
    """That something was set at run time: the *words* after the name of the jail, or after ``set`` for the daemon itself."""

    at: float
    words: tuple[str, ...]


class Changeover:
    """Owns which jails *daemon* runs: replaces ``daemon.running`` and ``daemon.broken``, and brings the rooms in line."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon
        self._problems: tuple[Problem, ...] = ()

    def first(self, problems: Iterable[Problem]) -> None:
        """Take the jails of the configuration; *problems* are those of the daemon's own settings.

        Raises ConfigError when it cannot be trusted or no jail can run.
        """
        daemon = self._daemon
        self._take(self._assembled(), problems)
        _must_be_trusted(daemon.own_problems)
        if not daemon.running:
            raise ConfigError(Problem("no jail can run", _what_to_do(daemon.broken)))

    def reload(self, *, restart: bool = False, unban: bool = False) -> list[str]:
        """Read the configuration again and go on with it, keeping every ban; return the names of the jails that run.

        What was set at run time is forgotten. *restart* begins every jail anew; *unban* ends all bans. Raises ConfigError when
        it cannot be trusted or no jail could run with it; everything then stays as it was.
        """
        with self._daemon.notifier.reloading():
            return self._reload(restart=restart, unban=unban)

    def _reload(self, *, restart: bool, unban: bool) -> list[str]:
        daemon = self._daemon
        daemon.logbook.say("server", "INFO", "Reload all jails")
        try:
            assembly, problems, settings = self._read_again(anew=restart)
            daemon.configure(settings)
        except ConfigError as error:
            daemon.logbook.say("server", "ERROR", f"Reload refused, all goes on as before: {error}")
            raise
        daemon.changes.clear()
        daemon.pipeline.save(now=time.time())  # what jails know that leave, or change
        if unban:
            self._unban(daemon.running)
        before = daemon.running
        self._take(assembly, problems)
        self._go_over(before, stopped=before.keys() if restart else (), reloaded=True)
        self._bound()
        daemon.remembering.relearn()
        daemon.watchers.forget()
        daemon.commands.forget()
        daemon.reopen_questions()
        daemon.latecomers.catch_up(time.time())
        daemon.logbook.say("server", "INFO", "Reload finished.")
        return sorted(daemon.running)

    def reload_jail(self, name: str, *, restart: bool = False, unban: bool = False) -> bool:
        """Read the configuration of one jail again, and start it when it does not run; False when there is no such jail.

        Raises ConfigError when it cannot be used; a jail that runs then goes on as it was.
        """
        daemon = self._daemon
        configuration = load(daemon.options.config, daemon.options.data)
        config = next((each for each in configuration.jails if each.name == name), None)
        if config is None:
            if name not in configuration.left_out:
                return False
            raise ConfigError(
                next(each for each in configuration.problems if each.section == name and each.severity == "error")
            )
        daemon.logbook.say("server", "INFO", f"Reload jail '{name}'")
        _must_be_usable(config)
        others = {each: running.config for each, running in daemon.running.items()}
        jails = tuple({**others, name: config}.values())
        chosen = daemon.sourcing.choose(Configuration(jails), daemon.running, time.time())
        if unban and name in daemon.running:
            self._unban([name])
        daemon.changes.pop(name, None)
        daemon.pipeline.save(now=time.time())
        self._replace({each.name: each for each in chosen.jails}, anew=name if restart else "")
        self._bound()
        daemon.reopen_questions()
        daemon.latecomers.catch_up(time.time())
        daemon.logbook.say("server", "INFO", "Reload finished.")
        return True

    def alter(self, config: JailConfig) -> None:
        """Have the jail that *config* names go by it from now on; it goes on counting where it stands.

        Raises ConfigError when it cannot be used; the jail then goes on as it was.
        """
        _must_be_usable(config)
        others = {name: running.config for name, running in self._daemon.running.items()}
        self._replace({**others, config.name: config})

    def idle(self, name: str, idle: bool) -> None:
        """Have jail *name* judge nothing of what is written meanwhile, or have it judge again."""
        running = self._daemon.running
        self._daemon.running = {**running, name: replace(running[name], idle=idle)}

    def stop(self, names: Iterable[str]) -> None:
        """End jails; their bans leave the firewall and wait in the database, as when the daemon stops."""
        before = self._daemon.running
        ended = set(names)
        self._daemon.running = {name: each for name, each in before.items() if name not in ended}
        for name in ended:
            self._daemon.changes.pop(name, None)
        self._go_over(before)

    def hand_over(self, now: float) -> None:
        """Let jails that read the journal read their files, where these have appeared."""
        daemon = self._daemon
        for handover in daemon.sourcing.due(daemon.running, daemon.journal, now):
            daemon.running = self._assemble(handed_over(daemon.running, handover.jail)).running
            daemon.remembering.attend(daemon.running, now)
            daemon.protection.configure(daemon.running, daemon.settings.spare, now)
            running = daemon.running[handover.jail]
            running.jail.bound(since=handover.since)
            daemon.source.add(from_head(running.config))
            daemon.journal.configure(ages(daemon.running))
            daemon.tell([handover.notice(running.config)])

    def actions(self) -> dict[str, tuple[ActionSettings, ...]]:
        """Return the actions of every jail that runs."""
        return _actions(self._daemon.running)

    # How it is done

    def _replace(self, jails: dict[str, JailConfig], *, anew: str = "") -> None:
        """Run *jails*, each of which is known to be usable; the one that *anew* names begins from nothing."""
        daemon, before = self._daemon, self._daemon.running
        known = {name: running for name, running in before.items() if name != anew}
        configuration = Configuration(tuple(jails[name] for name in sorted(jails)))
        made = assemble(configuration, known, daemon.ledger, daemon.crowd, daemon.guard.jail)
        changed = {name for name in jails if name not in known or known[name].config != jails[name]}
        daemon.running = made.running
        daemon.broken = {name: why for name, why in daemon.broken.items() if name not in jails}
        kept = [problem for problem in daemon.own_problems if problem.section not in changed]
        daemon.own_problems = [*kept, *made.problems]
        self._go_over(before, stopped=(anew,) if anew in before else ())

    def _bound(self) -> None:
        """Have jails that moved to the journal begin where their files ended."""
        for name, since in self._daemon.sourcing.since.items():
            self._daemon.running[name].jail.bound(since=since)

    def _go_over(self, before: dict[str, Running], stopped: Iterable[str] = (), *, reloaded: bool = False) -> None:
        """Bring the rooms in line with what runs now; *before* ran until now, and *stopped* begins anew.

        *reloaded*: actions are told of it even when they have not changed (``actionreload``).
        """
        daemon, now = self._daemon, time.time()
        daemon.remembering.attend(daemon.running, now)
        patterns = {path.pattern for path in logpaths(before)}
        left = [name for name in before if name not in daemon.running]
        again = [name for name in stopped if name in daemon.running]
        for name in (*left, *again):
            # Only the firewall forgets them: should the jail come back, its bans are in the database.
            daemon.pipeline.save(now=now)
            daemon.restoring.sleep(name)
            daemon.telling.tell("Repeal Ban", [change.decision for change in daemon.ledger.lift_jail(name)])
            daemon.logbook.say("jail", "INFO", f"Jail '{name}' stopped")
        daemon.protection.configure(daemon.running, daemon.settings.spare, now)
        begun = {*(daemon.running.keys() - before.keys()), *again}
        restored = daemon.restoring.restore(daemon.running, begun, now)
        daemon.protection.heed(now)
        actions = self.actions()
        if reloaded or begun or left or actions != _actions(before):
            daemon.tell(daemon.dispatch.reconfigure(actions, now))
            if again:
                daemon.runner.configure({name: each for name, each in actions.items() if name not in again})
            daemon.runner.configure(actions)
            daemon.ears.attend(daemon.dispatch.listeners())
        for name in sorted(begun):
            daemon.logbook.say("jail", "INFO", f"Jail '{name}' started")
        daemon.telling.tell("Restore Ban", restored)
        after = logpaths(daemon.running)
        daemon.source.remove(patterns - {path.pattern for path in after})
        daemon.source.add(after)
        daemon.journal.configure(ages(daemon.running))

    def _unban(self, names: Iterable[str]) -> None:
        daemon = self._daemon
        for name, lifted in daemon.pipeline.lift_all(list(names), time.time()).items():
            daemon.running[name].jail.forget_all(ban.id for ban in lifted)

    def _read_again(self, *, anew: bool) -> tuple[Assembly, tuple[Problem, ...], DaemonSettings]:
        daemon = self._daemon
        settings, problems = load_settings(daemon.options.config, daemon.options.data)
        assembly = self._assembled(anew=anew)
        _must_be_trusted([*problems, *assembly.problems])
        if not assembly.running:
            raise ConfigError(Problem("no jail could run with this configuration", _what_to_do(assembly.broken)))
        return assembly, problems, settings

    def _assembled(self, *, anew: bool = False) -> Assembly:
        """Read the configuration and make its jails, each for what it shall read."""
        daemon = self._daemon
        configuration = load(daemon.options.config, daemon.options.data)
        chosen = daemon.sourcing.choose(configuration, daemon.running, time.time())
        daemon.tell(daemon.sourcing.choices(chosen))
        return self._assemble(chosen, anew=anew)

    def _assemble(self, configuration: Configuration, *, anew: bool = False) -> Assembly:
        daemon = self._daemon
        before = {} if anew else daemon.running
        return assemble(configuration, before, daemon.ledger, daemon.crowd, daemon.guard.jail)

    def _take(self, assembly: Assembly, problems: Iterable[Problem]) -> None:
        daemon = self._daemon
        daemon.running, daemon.broken = assembly.running, assembly.broken
        daemon.own_problems = [*problems, *assembly.problems]
        for problem in daemon.own_problems:
            daemon.logbook.problem(problem)


def _actions(running: dict[str, Running]) -> dict[str, tuple[ActionSettings, ...]]:
    return {name: each.config.actions for name, each in running.items()}


def _must_be_usable(config: JailConfig) -> None:
    """Raise ConfigError when a jail could not run with *config*."""
    error = next((problem for problem in examine(config) if problem.severity == "error"), None)
    if error is not None:
        raise ConfigError(error)


def _must_be_trusted(problems: Iterable[Problem]) -> None:
    """Raise ConfigError when a file is not what its writer meant: what it says of ``ignoreip`` would be missing."""
    fatal = next((problem for problem in problems if problem.fatal), None)
    if fatal is not None:
        raise ConfigError(fatal)


def _what_to_do(broken: dict[str, Problem]) -> str:
    reasons = "; ".join(f"{name}: {problem}" for name, problem in broken.items())
    return reasons or "enable one: [sshd] enabled = true in jail.local"
