"""What shows only when a jail is really made: expressions that do not compile, ports nobody knows, dates that cannot be read.

Daemon and ``banish check`` ask here, so that the one never refuses what the other passed. Nothing but the jail's settings is
looked at; what the machine has to say (files that are missing) is ``lint``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from banish.config.jails import JailConfig
from banish.enforcement.actions import validate
from banish.errors import ConfigError, Origin, Problem, RegexError
from banish.lines.reader import LineReader
from banish.matching.tags import RegexOption, compile_expression
from banish.sources.matches import Match


def examine(config: JailConfig) -> list[Problem]:
    """Return what is wrong with *config*, each with the place where it was written. With an error among it, the jail cannot run."""
    found = [*_expressions(config), *_dates(config)]
    for action in config.actions:
        found += [_at_home(problem, config, "action") for problem in validate(action)]
    return [*found, *_journalmatch(config)]


def _expressions(config: JailConfig) -> Iterator[Problem]:
    """Judge every expression, so that all that is wrong is told at once."""
    settings = config.settings.filter
    prefix_groups: tuple[str, ...] = ()
    expressions: list[tuple[RegexOption, tuple[str, ...], tuple[Origin, ...]]] = [
        ("prefregex", (settings.prefregex,) if settings.prefregex else (), ()),
        ("failregex", settings.failregex, config.failregex_origins),
        ("ignoreregex", settings.ignoreregex, config.ignoreregex_origins),
    ]
    prefix_failed = False
    for option, regexes, origins in expressions:
        for index, regex in enumerate(regexes):
            multiline = option == "failregex" and settings.maxlines > 1
            try:
                pattern = compile_expression(
                    regex, option, index, usedns=settings.usedns, multiline=multiline, prefix_groups=prefix_groups
                )
            except RegexError as error:
                # A prefregex that does not compile may have held the id that the others lack.
                if not (prefix_failed and error.problem.text == "no failure-id group"):
                    origin = origins[index] if index < len(origins) else None
                    yield _at_home(replace(error.problem, origin=origin), config)
                prefix_failed = prefix_failed or option == "prefregex"
            else:
                if option == "prefregex":
                    prefix_groups = tuple(pattern.groupindex)


def _dates(config: JailConfig) -> Iterator[Problem]:
    lines = config.settings.lines
    for pattern in lines.datepattern or ("",):
        try:
            LineReader(replace(lines, datepattern=(pattern,) if pattern else ()))
        except ConfigError as error:
            yield _at_home(error.problem, config)
            if error.problem.option != "datepattern":
                return


def _journalmatch(config: JailConfig) -> Iterator[Problem]:
    for match in config.journalmatch:
        try:
            Match((match,))
        except ConfigError as error:
            severity: Literal["error", "warning"] = "error" if config.reads == "journal" else "warning"
            yield _at_home(replace(error.problem, severity=severity), config)


def _at_home(problem: Problem, config: JailConfig, option: str = "") -> Problem:
    """Return *problem* as one of the jail's, with the place of its option, of *option* when that has none."""
    places = (config.origins.get(name) for name in (problem.option, option))
    origin = problem.origin or next((place for place in places if place is not None), None)
    return replace(problem, section=config.name, origin=origin)
