"""Configuration to jails that run, and why the others do not.

The law of a reload: a jail that did not change goes on as the same object, one that changed goes on counting where it stood,
and one whose new configuration cannot be used stays as it was. Nobody loses protection by a typing error.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from banish.config.jails import Configuration, JailConfig
from banish.decisions.ledger import Ledger
from banish.enforcement.actions import validate
from banish.errors import ConfigError, Origin, Problem, RegexError
from banish.jail import Jail
from banish.lines.reader import LineReader


@dataclass(slots=True)
class Running:
    """A jail at work and the configuration it was made from."""

    config: JailConfig
    jail: Jail


@dataclass(slots=True)
class Assembly:
    """What a configuration comes to. *broken*: jails that are enabled but do not run; the problem says why."""

    running: dict[str, Running] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def assemble(configuration: Configuration, before: Mapping[str, Running], ledger: Ledger) -> Assembly:
    """Make the jails of *configuration*, which learn from *ledger* who was banned before; *before* is what runs until now."""
    made = Assembly(problems=list(configuration.problems))
    for config in configuration.jails:
        name, known = config.name, before.get(config.name)
        if known is not None and known.config == config:
            made.running[name] = Running(config, known.jail)
            continue
        errors, warnings = _examine(config)
        made.problems += errors + warnings
        if errors:
            _leave_out(made, name, errors[0], known)
            continue
        jail = Jail(
            config.settings, partial(ledger.history, name), partial(ledger.history_everywhere, name), random.random
        )
        if known is not None:
            jail.inherit(known.jail)
        made.running[name] = Running(config, jail)
    for name in configuration.left_out:
        errors = [
            problem for problem in configuration.problems if problem.section == name and problem.severity == "error"
        ]
        _leave_out(
            made,
            name,
            errors[0] if errors else Problem("it cannot be used as configured", section=name),
            before.get(name),
        )
    return made


def _leave_out(made: Assembly, name: str, why: Problem, known: Running | None) -> None:
    if known is None:
        made.broken[name] = why
        return
    made.running[name] = known
    made.problems.append(
        Problem(
            "the jail goes on as it was before the reload",
            "mend its configuration and reload",
            name,
            severity="warning",
        )
    )


def _examine(config: JailConfig) -> tuple[list[Problem], list[Problem]]:
    """Return the errors and the warnings that show only when a jail is really made."""
    found: list[Problem] = []
    try:
        Jail(config.settings)
    except ConfigError as error:
        found.append(_placed(error, config))
    try:
        LineReader(config.settings.lines)
    except ConfigError as error:
        found.append(_placed(error, config))
    for action in config.actions:
        found += [_at_home(problem, config) for problem in validate(action)]
    found += _journal(config)
    errors = [problem for problem in found if problem.severity == "error"]
    return errors, [problem for problem in found if problem.severity == "warning"]


def _journal(config: JailConfig) -> list[Problem]:
    if config.backend.startswith("systemd") or not config.logpaths:
        backend = Problem(
            "the journal cannot be read yet",
            "log to a file (rsyslog does) and set logpath to it",
            config.name,
            "backend",
            config.backend,
            config.origins.get("backend"),
        )
        if config.logpaths:
            return [
                replace(
                    backend,
                    text="the journal cannot be read yet: the files of logpath are read instead",
                    severity="warning",
                )
            ]
        return [backend]
    return []


def _placed(error: ConfigError, config: JailConfig) -> Problem:
    """Return *error*'s problem with the place where the expression was written."""
    origin: Origin | None = None
    if isinstance(error, RegexError):
        places = {"failregex": config.failregex_origins, "ignoreregex": config.ignoreregex_origins}.get(
            error.problem.option, ()
        )
        origin = places[error.index] if error.index < len(places) else None
    return _at_home(replace(error.problem, origin=origin), config)


def _at_home(problem: Problem, config: JailConfig) -> Problem:
    return replace(problem, section=config.name, origin=problem.origin or config.origins.get(problem.option))
