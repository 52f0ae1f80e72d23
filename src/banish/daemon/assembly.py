"""Configuration to jails that run, and why the others do not.

The law of a reload: a jail that did not change goes on as the same object, one that changed goes on counting where it stood,
and one whose new configuration cannot be used stays as it was. Nobody loses protection by a typing error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from banish.config.examine import examine
from banish.config.jails import Configuration, JailConfig
from banish.decisions.ledger import Ledger
from banish.errors import Problem
from banish.failures.crowd import Crowd
from banish.jail import Jail
from banish.patience import ENDLESS, Patience


@dataclass(slots=True)
class Running:
    """A jail at work and the configuration it was made from; one that is *idle* is shown no line."""

    config: JailConfig
    jail: Jail
    idle: bool = False


@dataclass(slots=True)
class Assembly:
    """What a configuration comes to. *broken*: jails that are enabled but do not run; the problem says why."""

    running: dict[str, Running] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def assemble(
    configuration: Configuration,
    before: Mapping[str, Running],
    ledger: Ledger,
    crowd: Crowd | None = None,
    patience_of: Callable[[str], Patience] = lambda name: ENDLESS,
) -> Assembly:
    """Make the jails of *configuration*, which learn from *ledger* who was banned before; *before* is what runs until now.

    *crowd* bounds what they all remember together; it is the one of *before*. *patience_of* says how long the expressions of a
    jail may take.
    """
    made = Assembly(problems=list(configuration.problems))
    crowd = crowd or Crowd()
    for config in configuration.jails:
        name, known = config.name, before.get(config.name)
        if known is not None and known.config == config:
            made.running[name] = Running(config, known.jail, known.idle)
            continue
        found = examine(config)
        errors = [problem for problem in found if problem.severity == "error"]
        made.problems += errors + [problem for problem in found if problem.severity == "warning"]
        if errors:
            _leave_out(made, name, errors[0], known)
            continue
        jail = Jail(
            config.settings,
            partial(ledger.history, name),
            partial(ledger.history_everywhere, name),
            random.random,
            crowd=crowd,
            patience=patience_of(name),
        )
        if known is not None:
            jail.inherit(known.jail)
        made.running[name] = Running(config, jail, known is not None and known.idle)
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
