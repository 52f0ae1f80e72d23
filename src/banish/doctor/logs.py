"""The logs of a jail: are they there, written to, dated as is thought, and do they say what the filter looks for?

Only the end of a file is looked at (TAIL bytes). The law: a host on which nothing is wrong is told nothing, so a quiet log is no
finding as long as there may be nothing to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from banish import durations
from banish.config.jails import JailConfig
from banish.doctor.finding import Finding
from banish.lines.reader import LineReader
from banish.matching.filter import Filter, Sighting
from banish.model import Line
from banish.patience import Patience
from banish.sources import globs

TAIL = 1 << 18
SILENT = 7 * durations.DAY
"""Seconds without a line after which a log is silent."""
FRESH = durations.HOUR
AHEAD = 120.0
"""Seconds by which a file may seem to have been written in the future (network file systems have clocks of their own)."""
_LINES = 2000
_FILES = 10
_ENOUGH = 20
"""Lines from which on it means something that none of them is what is looked for."""
_QUARTER = 15 * durations.MINUTE
_SLACK = 2 * durations.MINUTE
_FURTHEST = 15 * durations.HOUR
_FAILING = re.compile(
    r"(?i)\b(?:fail(?:ed|ure)?|invalid|denied|refused|unauthori[sz]ed|illegal|authentication error|not allowed|wrong password)\b"
)
_ADDRESS = re.compile(
    r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}[0-9a-f:]*[0-9a-f]\b", re.IGNORECASE
)


class _Jail(NamedTuple):
    config: JailConfig
    program: str
    patience: Patience


def examine(config: JailConfig, program: str, patience: Patience, now: float) -> Iterator[Finding]:
    """Yield what is wrong with the log files of a jail that reads files.

    *program* is what its filter calls the one that writes (``_daemon``, an expression); empty when it does not say.
    """
    for logpath in config.logpaths:
        found = globs.logs(globs.hits(logpath.pattern)) if globs.is_glob(logpath.pattern) else [logpath.pattern]
        if not found:
            yield _missing(config, logpath.pattern)
        for path in found[:_FILES]:
            yield from _file(config, path, program, patience, now)


def _missing(config: JailConfig, path: str) -> Finding:
    remedy = (
        "is the service installed, and does it log there? Set logpath, or backend = systemd if it logs to the journal"
    )
    return Finding("log-missing", "error", f"there is no log {path}: this jail sees nothing", remedy, config.name)


def _file(config: JailConfig, path: str, program: str, patience: Patience, now: float) -> Iterator[Finding]:
    name = config.name
    try:
        status = os.stat(path)
        with open(path, "rb", opener=_opener) as opened:
            opened.seek(max(0, status.st_size - TAIL))
            data = opened.read(TAIL)
    except FileNotFoundError:
        yield _missing(config, path)
        return
    except OSError as error:
        remedy = f"banishd must be allowed to read it: chmod and chown it, or let it run as root ({error.strerror})"
        yield Finding("log-unreadable", "error", f"the log {path} cannot be read: {error.strerror}", remedy, name)
        return
    if status.st_mtime > now + AHEAD:
        text = f"the log {path} was written {durations.render(status.st_mtime - now)} in the future, by the clock of this machine"
        yield Finding("clock", "error", text, "set the clock right and keep it so (timedatectl set-ntp true)", name)
        return
    silent = list(_silence(config, path, status.st_mtime, now))
    yield from silent
    if silent or not data.strip():
        return
    if status.st_size > TAIL:
        data = data[data.find(b"\n") + 1 :]
    yield from _contents(_Jail(config, program, patience), path, data, status.st_mtime)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)  # a pipe in place of a log must not stop us


def _silence(config: JailConfig, path: str, written_at: float, now: float) -> Iterator[Finding]:
    rotated = f"{path}.1"
    try:
        rotated_at = os.stat(rotated).st_mtime
    except OSError:
        rotated_at = 0.0
    if rotated_at > written_at + 60 and now - rotated_at < FRESH:
        text = f"the log {path} is silent, and {rotated} is still written to: its writer did not notice the rotation"
        yield Finding(
            "log-silent", "error", text, "let logrotate tell the service (postrotate), or restart it", config.name
        )
    elif now - written_at > SILENT:
        text = f"the log {path} has been silent for {durations.render(now - written_at)}"
        remedy = "does the service still log there? It may log to the journal now: backend = systemd"
        yield Finding("log-silent", "warning", text, remedy, config.name)


def _contents(jail: _Jail, path: str, data: bytes, written_at: float) -> Iterator[Finding]:
    config, program, patience = jail
    reader = LineReader(config.settings.lines, patience=patience)
    lines = reader.read(data, written_at)[-_LINES:]
    lines = [line for line in lines if line.text.strip()]
    dated = [line for line in lines if line.at is not None]
    if strange := list(_matches(config, path, lines, program, patience)):
        yield from strange
        return
    if reader.dated and len(lines) >= 5 and len(dated) * 10 < len(lines) and not any(line.timeless for line in lines):
        text = f"in the log {path} no date is found in {len(lines) - len(dated)} of the last {len(lines)} lines"
        remedy = f"set a datepattern that fits, and try it: banish explain --jail {config.name} LINE"
        yield Finding("log-undated", "error", text, remedy, config.name)
        return
    yield from _zone(config, path, dated, written_at)


def _zone(config: JailConfig, path: str, dated: Sequence[Line], written_at: float) -> Iterator[Finding]:
    if not dated:
        return
    last = max(line.at for line in dated[-20:] if line.at is not None)
    off = last - written_at
    quarters = abs(off - round(off / _QUARTER) * _QUARTER)
    if off > 10 * durations.MINUTE:
        where = f"{durations.render(off)} in the future"
    elif -_FURTHEST < off < -10 * durations.MINUTE and quarters < _SLACK:
        where = f"{durations.render(-off)} before they were written"
    else:
        return
    text = f"the dates in the log {path} are off: the last line states a time {where}"
    remedy = (
        "set logtimezone to the zone that the service writes (UTC, UTC+02:00), or give the service the machine's zone"
    )
    yield Finding("time-zone", "error", text, remedy, config.name)


def _matches(
    config: JailConfig, path: str, lines: Sequence[Line], program: str, patience: Patience
) -> Iterator[Finding]:
    judge = Filter(config.settings.filter, patience)
    if any(isinstance(judge.find(line), Sighting) for line in lines):
        return
    daemon = _compiled(program)
    remedy = (
        f"does the service log there, and in this way? banish explain --jail {config.name} LINE says where lines stop"
    )
    if daemon is not None and len(lines) >= _ENOUGH and not any(daemon.search(line.text) for line in lines):
        text = f"the log {path} has no line of {daemon.pattern} among its last {len(lines)}: this jail never matches"
        yield Finding("never-matches", "error", text, remedy, config.name)
        return
    suspicious = [line for line in lines if _FAILING.search(line.text) and _ADDRESS.search(line.text)]
    if daemon is not None:
        suspicious = [line for line in suspicious if daemon.search(line.text)]
    if len(suspicious) >= _ENOUGH:
        text = (
            f"the log {path} has {len(suspicious)} lines that look like failures with an address, and the filter finds nothing in "
            f"any of them, as in: {suspicious[-1].text[:160]}"
        )
        yield Finding("never-matches", "warning", text, remedy, config.name)


def _compiled(program: str) -> re.Pattern[str] | None:
    try:
        return re.compile(program) if program else None
    except re.error:
        return None
