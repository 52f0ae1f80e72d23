"""What a person should mend while the daemon runs: logs that cannot be read, or are in another encoding than is stated, items of
``ignoreip`` that spare nobody, and expressions that took so long over a line that it was given up.

All come and go with the world, so they are worked out whenever somebody asks. Each names the jail, the option and its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from banish.config.jails import JailConfig
from banish.daemon.assembly import Running
from banish.daemon.guard import PATIENT, GaveUp, Guard
from banish.daemon.spared import Spared
from banish.daemon.subscribers import Garbled, Subscribers
from banish.errors import Problem
from banish.sources.files import FileSource
from banish.sources.inputs import Inputs
from banish.sources.journal import JournalSource


def unreadable(jails: Mapping[str, Running], source: FileSource | Inputs) -> list[Problem]:
    """Return what keeps log files from being read: one problem for each jail that wants them, and each kind of trouble."""
    problems = source.problems()
    wanted: dict[str, list[str]] = {}
    for name, running in jails.items() if problems else ():
        if running.config.reads == "files":
            for each in running.config.logpaths:
                wanted.setdefault(each.pattern, []).append(name)
    paths: dict[tuple[str, str], list[str]] = {}
    for path, problem in problems:
        patterns = source.patterns_of(path) or {path}
        for name in {name: None for pattern in patterns for name in wanted.get(pattern, ())}:
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


def garbled(jails: Mapping[str, Running], watchers: Subscribers) -> list[Problem]:
    """Return which logs had lines lately that are no text in the encoding that jails state."""
    return [_garbled(found) for found in watchers.garbled(jails)]


def _garbled(found: Garbled) -> Problem:
    lines = (
        "1 line that was looked at holds"
        if found.lines == 1
        else f"{found.lines} lines or more that were looked at hold"
    )
    text = f"{found.source}: {lines} bytes that are no text in {found.encoding}, and may be judged wrongly"
    remedy = f"set the logencoding of {', '.join(found.jails)} to what the log is written in, such as latin-1 or utf-16"
    return Problem(text, remedy, option="logencoding", severity="warning")


def unspared(jails: Mapping[str, Running], spared: Spared) -> list[Problem]:
    """Return what of ``ignoreip`` spares nobody."""
    return [
        Problem(text, remedy, name, "ignoreip", item, running.config.origins.get("ignoreip"), "warning")
        for name, running in jails.items()
        for item, text, remedy in spared.unknown(running.jail)
    ]


def given_up(jails: Mapping[str, Running], guard: Guard) -> list[Problem]:
    """Return where lines were given up lately; the same words for ten minutes, however many there are."""
    return [
        _jail_gave_up(jails[name].config, report) if kind == "jail" else _source_gave_up(name, report)
        for (kind, name), report in guard.reports().items()
        if kind == "source" or name in jails
    ]


def _jail_gave_up(config: JailConfig, report: GaveUp) -> Problem:
    option, number = report.place
    origin = config.origins.get(option)
    if option == "failregex" and number is not None and number < len(config.failregex_origins):
        origin = config.failregex_origins[number]
    which = option if number is None else f"{option} number {number + 1}"
    remedy = "find out with banish check, and mend the expression"
    return Problem(_gave_up(which, report), remedy, config.name, option, "", origin, "warning")


def _source_gave_up(source: str, report: GaveUp) -> Problem:
    text = _gave_up("the search for a date", report)
    return Problem(
        f"{source}: {text}", "set a datepattern that begins with ^", option="datepattern", severity="warning"
    )


def _gave_up(which: str, report: GaveUp) -> str:
    lines = "1 line was" if report.lines == 1 else f"{report.lines} lines were"
    return (
        f"{lines} not judged because {PATIENT * 1000:.0f} ms were not enough: {which} took longer, last over a line "
        f"of {report.characters} characters that begins with {report.excerpt!r}"
    )
