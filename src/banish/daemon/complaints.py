"""What a person should mend while the daemon runs: logs that cannot be read, and items of ``ignoreip`` that spare nobody.

Both come and go with the world, so they are worked out whenever somebody asks. Each names the jail, the option and its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from banish.daemon.assembly import Running
from banish.daemon.spared import Spared
from banish.errors import Problem
from banish.sources.files import FileSource
from banish.sources.journal import JournalSource


def unreadable(jails: Mapping[str, Running], source: FileSource) -> list[Problem]:
    """Return what keeps log files from being read: one problem for each jail that wants them, and each kind of trouble."""
    paths: dict[tuple[str, str], list[str]] = {}
    for path, problem in source.problems().items():
        patterns = source.patterns_of(path) or {path}
        for name, running in jails.items():
            if running.config.reads == "files" and any(
                wanted.pattern in patterns for wanted in running.config.logpaths
            ):
                paths.setdefault((name, problem.removeprefix(f"{path}: ")), []).append(path)
    return [
        Problem(text, "", name, "logpath", ", ".join(found), jails[name].config.origins.get("logpath"), "warning")
        for (name, text), found in paths.items()
    ]


def unread(jails: Mapping[str, Running], journal: JournalSource) -> list[Problem]:
    """Return what keeps jails from reading the journal."""
    problems = journal.problems()
    remedy = "set backend = auto and logpath to a file, or see that systemd-journald runs"
    return [
        Problem(problems[watch], remedy, name, "backend", config.backend, config.origins.get("backend"), "warning")
        for name, running in jails.items()
        if (config := running.config).reads == "journal" and (watch := config.watch.name) in problems
    ]


def unspared(jails: Mapping[str, Running], spared: Spared) -> list[Problem]:
    """Return what of ``ignoreip`` spares nobody."""
    return [
        Problem(text, remedy, name, "ignoreip", item, running.config.origins.get("ignoreip"), "warning")
        for name, running in jails.items()
        for item, text, remedy in spared.unknown(running.jail)
    ]
