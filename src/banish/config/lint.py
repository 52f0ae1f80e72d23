"""Everything that can be said about a configuration without running it: what ``banish check`` prints.

What was found on reading (``jails``, ``settings``), on examining each jail (``examine``), and on a look at the machine: log
files that are not there, and who cannot be spared. The weaknesses of expressions are proven elsewhere, since that takes time;
what is needed for them is told by `expressions`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from banish import addresses
from banish.config.examine import examine
from banish.config.jails import Configuration, JailConfig, load
from banish.config.settings import load_settings
from banish.errors import Origin, Problem
from banish.matching.filter import FilterSettings
from banish.sources import globs
from banish.sources.opening import obstacle
from banish.sources.streams import is_stream

_NAME = re.compile(r"(?=.{1,253}$)(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?")
_NUMBERS = re.compile(r"[\d.]+")
"""Numbers and dots alone are a mistyped address: a top-level domain is never a number (RFC 3696)."""


class Linted(NamedTuple):
    """A configuration, and what is wrong with it; every problem has an origin."""

    configuration: Configuration
    problems: tuple[Problem, ...]
    usable: tuple[JailConfig, ...]
    """The jails that can run; none when a file leaves open what the whole would have been."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of one or several jails."""

    option: str
    """``failregex``, ``prefregex``, ``ignoreregex`` or ``datepattern``."""
    text: str
    index: int
    """In the list of its option."""
    settings: FilterSettings
    """The filter it belongs to; for a date pattern, which belongs to none, an empty one."""
    jail: str
    """The first jail that uses it."""
    origin: Origin | None


def lint(config_dir: Path | None, data_dir: Path) -> Linted:
    """Read the tree and judge it; never raises for what files contain."""
    configuration = load(config_dir, data_dir)
    _, settings_problems = load_settings(config_dir, data_dir)
    problems = [*settings_problems, *configuration.problems]
    usable = []
    for config in configuration.jails:
        found = examine(config)
        if not any(problem.severity == "error" for problem in found):
            usable.append(config)
            found += [*spared(config), *logs(config)]
        problems += found
    if any(problem.fatal for problem in problems):
        usable = []
    somewhere = Origin(str(config_dir or data_dir))
    placed = (replace(problem, origin=problem.origin or somewhere) for problem in problems)
    return Linted(configuration, tuple(dict.fromkeys(placed)), tuple(usable))


def logs(config: JailConfig) -> Iterator[Problem]:
    """Yield what keeps the jail's logs from being read now, at most one problem of each kind.

    It is no error: the jail waits, and reads a log as soon as it appears.
    """
    if config.reads == "journal":
        return
    missing, unreadable = [], []
    for path in config.logpaths:
        if is_stream(path.pattern):
            continue
        files = globs.logs(globs.hits(path.pattern)) if globs.is_glob(path.pattern) else [path.pattern]
        there = [file for file in files if os.path.exists(file)]
        if not there:
            missing.append(path.pattern)
        unreadable += [file for file in there if os.path.isdir(file) or not os.access(file, os.R_OK)]
    instead = len(missing) == len(config.logpaths) and config.other is not None and not obstacle(config.journal)
    if missing and not instead:  # else the journal is read
        some = "" if len(missing) == len(config.logpaths) else ", the others are read"
        many = (
            "no such files" if len(missing) > 1 else "no file fits it" if globs.is_glob(missing[0]) else "no such file"
        )
        yield _log(config, missing, many + some, "install what writes it, correct logpath, or disable the jail")
    if unreadable:
        yield _log(config, unreadable, "cannot be read", "a file that root may read is wanted")


def spared(config: JailConfig) -> Iterator[Problem]:
    """Yield what of ``ignoreip`` cannot spare anybody. The daemon, which looks names up, tells more, and when it happens."""
    for item in config.settings.ignore.ignoreip:
        path = item.removeprefix("file:")
        if path != item:
            if os.access(path, os.R_OK):
                continue
            text, remedy = "the file is not there, or cannot be read: nobody is spared by it", "correct the path"
        elif addresses.parse(item) is None and (_NAME.fullmatch(item) is None or _NUMBERS.fullmatch(item) is not None):
            text = "is neither an address nor a network nor a name: nobody is spared by it"
            remedy = "write 192.0.2.1, 192.0.2.0/24, 2001:db8::/32 or a host name, separated by spaces"
        else:
            continue
        yield Problem(text, remedy, config.name, "ignoreip", item, config.origins.get("ignoreip"), "warning")


def _log(config: JailConfig, paths: list[str], text: str, remedy: str) -> Problem:
    origin = config.origins.get("logpath")
    return Problem(text, remedy, config.name, "logpath", ", ".join(paths), origin, "warning")


def expressions(jails: tuple[JailConfig, ...]) -> Iterator[Expression]:
    """Yield every expression of *jails*; those that several jails share come once."""
    told = set()
    for config in jails:
        for expression in (*_of_filter(config), *_dates(config)):
            alone = expression.option in ("ignoreregex", "datepattern")
            key = (expression.option, expression.text, *(() if alone else (expression.settings, expression.index)))
            if key not in told:
                told.add(key)
                yield expression


def _of_filter(config: JailConfig) -> Iterator[Expression]:
    settings = config.settings.filter
    if settings.prefregex:
        origin = config.origins.get("prefregex")
        yield Expression("prefregex", settings.prefregex, 0, settings, config.name, origin)
    for index, (text, origin) in enumerate(zip(settings.failregex, config.failregex_origins, strict=True)):
        yield Expression("failregex", text, index, settings, config.name, origin)
    for index, (text, origin) in enumerate(zip(settings.ignoreregex, config.ignoreregex_origins, strict=True)):
        yield Expression("ignoreregex", text, index, settings, config.name, origin)


def _dates(config: JailConfig) -> Iterator[Expression]:
    origin = config.origins.get("datepattern")
    for index, text in enumerate(config.settings.lines.datepattern):
        yield Expression("datepattern", text, index, FilterSettings(), config.name, origin)
