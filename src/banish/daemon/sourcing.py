"""Files or the journal: what each jail with ``backend = auto`` reads, and the change from the one to the other.

A jail that may read both (it has a ``logpath``, its filter a ``journalmatch``, and ``systemd_if_nologs`` is not off) reads its files
where there are some that are alive, else the journal. A file is dead when the journal has entries for the jail that are ten minutes
younger than the last word in it: a machine that once had rsyslog.

A jail that reads the journal goes over to its files when one appears, or speaks again. No line is lost by that, and none judged
twice: from the next full second on, *since*, the files count, before it the journal. The jail on the journal leaves out what
states a later time, the jail on the files what states an earlier one, and the change takes place when the journal has been read
beyond that second. If nothing came from the journal while the file grew, the file is not its copy, and all of it counts.

A reload starts from what is read at the moment. A jail that moves from its files to the journal then begins where the files ended.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from banish.config.jails import Configuration, JailConfig
from banish.daemon.assembly import Running
from banish.errors import ConfigError
from banish.lines.reader import LineReader, LineSettings
from banish.model import Notice
from banish.sources import globs
from banish.sources import since as since_when
from banish.sources.files import FileStatus
from banish.sources.journal import JournalSource
from banish.sources.matches import Match, Watch
from banish.sources.opening import latest_entries, obstacle
from banish.sources.paths import LogPath
from banish.sources.tape import JournalOptions

DEAD_AFTER = 600.0
"""Seconds that a file may be behind the journal and still count as alive."""
MIRRORED = 5.0
"""Seconds within which an entry came from the journal when a file grew: then the file has the same lines."""
_SETTLED = 0.5
"""Seconds after which journald has surely told of an entry."""

Reads = Literal["files", "journal"]
_Files = Mapping[str, tuple[int, int, int]]
"""Path to device, inode and size."""


class Handover(NamedTuple):
    """That a jail shall read its files from now on, and the lines in them that state *since* or later."""

    jail: str
    since: float
    why: str

    def notice(self, config: JailConfig) -> Notice:
        """Return what a person should know; *config* is what the jail goes by now."""
        return Notice("NOTICE", "jail", f"Jail '{self.jail}' reads {_read_by(config)} from now on: {self.why}")


class _Change(NamedTuple):
    at: float
    since: float
    why: str


class Sourcing:
    """Decides for all jails. *latest* returns when the last entries were received that watches match."""

    def __init__(
        self,
        latest: Callable[[Iterable[Watch]], dict[Watch, float]] = latest_entries,
        obstacle_to: Callable[[JournalOptions], str] = obstacle,
    ) -> None:
        self.why: dict[str, str] = {}
        """Why each jail reads what it reads."""
        self.since: dict[str, float] = {}
        """For jails that were just chosen to move to the journal: the time (Unix seconds) until which the files were read."""
        self._latest = latest
        self._obstacle = obstacle_to
        self._left: dict[str, _Files] = {}
        """The files as they were when the journal was chosen."""
        self._changes: dict[str, _Change] = {}

    def choose(self, configuration: Configuration, running: Mapping[str, Running], now: float) -> Configuration:
        """Return *configuration* with each jail set to what it shall read; *running* is what runs until now."""
        undecided = {config.watch for config in configuration.jails if config.other is not None and _usable(config)}
        latest = self._latest(undecided) if undecided else {}
        self.since = {}
        for name in self._changes.keys() & running.keys():
            running[name].jail.bound()  # it begins to go over anew
        self._changes = {}
        jails = []
        for config in configuration.jails:
            before = running.get(config.name)
            reads, self.why[config.name] = self._choice(config, before, latest)
            if reads == "journal" and config.other is not None:
                files = _files(config.logpaths)
                if before is None or before.config.reads == "files":
                    self._left[config.name] = files
                if before is not None and before.config.reads == "files":
                    self.since[config.name] = _written_at(files) if files else now
            jails.append(config.on(reads))
        return replace(configuration, jails=tuple(jails))

    def choices(self, chosen: Configuration) -> list[Notice]:
        """Return what a person should know of what was *chosen*, where there was a choice."""
        return [
            Notice("INFO", "jail", f"Jail '{config.name}' reads {_read_by(config)}: {self.why[config.name]}")
            for config in chosen.jails
            if config.other is not None
        ]

    def _choice(self, config: JailConfig, before: Running | None, latest: Mapping[Watch, float]) -> tuple[Reads, str]:
        if config.other is None or not _usable(config):
            return config.reads, f"backend = {config.backend}" if config.backend != "auto" else _only(config)
        obstacle = self._obstacle(config.journal)
        if obstacle:
            return "files", f"the journal cannot be read: {obstacle}"
        if before is not None and before.config.reads == "journal" and config.name in self.why:
            return "journal", self.why[config.name]
        files = _files(config.logpaths)
        if not files:
            return "journal", f"there is no file {' or '.join(path.pattern for path in config.logpaths)} yet"
        behind = latest.get(config.watch, -math.inf) - _written_at(files)
        if behind > DEAD_AFTER:
            return "journal", f"nothing has been written to {', '.join(files)} while the journal went on"
        return "files", "the files of logpath are there"

    def due(self, running: Mapping[str, Running], journal: JournalSource, now: float) -> list[Handover]:
        """Return the jails for which the time has come to read their files; those that begin to go over are told when to stop."""
        due = []
        for name, each in running.items():
            if each.config.reads != "journal" or each.config.other is None:
                continue
            watch = each.config.watch.name
            change = self._changes.get(name)
            if change is None:
                why = _awoken(self._left.get(name, {}), _files(each.config.logpaths))
                if why:
                    self._changes[name] = self._begin(name, each, journal, now, why)
            elif journal.seen_until(watch) >= change.at + _SETTLED or watch in journal.problems():
                due.append(Handover(name, change.since, change.why))
                del self._changes[name]
                self.why[name] = change.why
        return due

    def _begin(self, name: str, running: Running, journal: JournalSource, now: float, why: str) -> _Change:
        at = math.floor(now) + 1.0
        handed_at = journal.handed_at(running.config.watch.name)
        since = -math.inf
        if handed_at >= now - MIRRORED:
            since = at
        elif not self._left.get(name):
            since = handed_at  # a file that is new may begin with what the journal had long ago
        running.jail.bound(until=at)
        return _Change(at, since, why)


def _only(config: JailConfig) -> str:
    if config.reads == "journal":
        return "there is no logpath"
    return (
        "there is no journalmatch" if not config.journalmatch else "systemd_if_nologs is off, or journalmatch is wrong"
    )


def _usable(config: JailConfig) -> bool:
    try:
        Match(config.journalmatch)
    except ConfigError:
        return False
    return True


def _files(paths: Iterable[LogPath]) -> _Files:
    found = {}
    for path in paths:
        names = globs.logs(globs.hits(path.pattern)) if globs.is_glob(path.pattern) else [path.pattern]
        for name in names:
            try:
                status = os.stat(name)
            except (OSError, ValueError):
                continue
            found[name] = (status.st_dev, status.st_ino, status.st_size)
    return found


def _written_at(files: Iterable[str]) -> float:
    times = [-math.inf]
    for name in files:
        try:
            times.append(os.stat(name).st_mtime)
        except OSError:
            continue
    return max(times)


def _awoken(before: _Files, files: _Files) -> str:
    """Return why *files* shall be read, when something was written to one of them; else nothing."""
    for name, identity in files.items():
        if identity[2] and identity != before.get(name):
            return f"{name} {'is written to again' if name in before else 'has appeared'}"
    return ""


def _read_by(config: JailConfig) -> str:
    return config.watch.name if config.reads == "journal" else ", ".join(path.pattern for path in config.logpaths)


def handed_over(running: Mapping[str, Running], jail: str) -> Configuration:
    """Return the configuration of what is *running*, but with *jail* set to read its files."""
    return Configuration(
        tuple(each.config.on("files") if name == jail else each.config for name, each in running.items())
    )


def from_head(config: JailConfig) -> list[LogPath]:
    """Return the files of a jail that goes over to them, to be read from their beginning where they are new to us."""
    return [replace(path, start="head") for path in config.logpaths]


def logpaths(running: Mapping[str, Running]) -> list[LogPath]:
    """Return the files that are wanted."""
    return [path for each in running.values() if each.config.reads == "files" for path in each.config.logpaths]


def beginning(running: Mapping[str, Running], pattern: str, fd: int, now: float) -> int:
    """Return the offset in a file that is new to us, found by *pattern*, from which on its lines are not too old for any jail."""
    jails = [each for each in running.values() if each.config.reads == "files"]
    mine = [each for each in jails if any(path.pattern == pattern for path in each.config.logpaths)]
    since = now - max((each.config.settings.window.findtime for each in jails), default=math.inf)
    found = [
        since_when.beginning(fd, since, _dates(lines, now)) for lines in {each.jail.settings.lines for each in mine}
    ]
    return min(found, default=0)


def _dates(settings: LineSettings, now: float) -> Callable[[bytes], float | None]:
    reader = LineReader(settings)

    def date_of(line: bytes) -> float | None:
        lines = reader.read(line + b"\n", now)
        return lines[0].at if lines else None

    return date_of if reader.bytewise else lambda line: None


def part_of(watch: Watch) -> FileStatus:
    """Return a row for a part of the journal like those of files; its size is not known, nor how far behind it is read."""
    return FileStatus(watch.name, 0, 0, found=True, problem=None)


def ages(running: Mapping[str, Running]) -> list[tuple[Watch, float]]:
    """Return what is wanted of the journal, and how many seconds back."""
    return [
        (each.config.watch, each.config.settings.window.findtime)
        for each in running.values()
        if each.config.reads == "journal"
    ]
