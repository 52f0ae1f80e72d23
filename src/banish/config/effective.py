"""The effective configuration of a jail, as rows to be shown: what counts, and where it was written.

The order is that of jail.conf(5), the options it does not know beside those they belong to, variables last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from banish import durations
from banish.config.grammar import parse_actions
from banish.config.jails import JailConfig
from banish.config.text import BUILT_IN, Text
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Origin, Problem

ORDER = (
    "enabled",
    "filter",
    "mode",
    "logpath",
    "logencoding",
    "logtimezone",
    "datepattern",
    "maxlines",
    "journalmatch",
    "port",
    "protocol",
    "chain",
    "banaction",
    "banaction_allports",
    "action",
    "ignoreself",
    "ignoreip",
    "ignorecommand",
    "ignorecache",
    "bantime",
    "bantime.increment",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
    "bantime.overalljails",
    "findtime",
    "window",
    "maxretry",
    "maxmatches",
    "backend",
    "usedns",
    "prefregex",
    "failregex",
    "ignoreregex",
    "skip_if_nologs",
    "systemd_if_nologs",
)


class Row(NamedTuple):
    """One line of one option; *origin* is None for a default that nobody wrote."""

    option: str
    value: str
    origin: Origin | None


class Action(NamedTuple):
    """One action that a jail asks for; *settings* is None for one that is not carried out."""

    name: str
    settings: ActionSettings | None


def rows(config: JailConfig, problems: tuple[Problem, ...] = ()) -> Iterator[Row]:
    """Yield the rows of *config*: a row for each expression, otherwise one for each option.

    *problems* of a value that could not be used make its row tell what counts in its stead.
    """
    typed = _typed(config)
    unusable = {
        problem.option
        for problem in problems
        if problem.section == config.name and problem.severity == "warning" and problem.option in typed
    }
    variables = sorted(option for option in config.values if option not in ORDER and not option.startswith("__"))
    for option in (*ORDER, *variables):
        lists = {
            "failregex": (config.settings.filter.failregex, config.failregex_origins),
            "ignoreregex": (config.settings.filter.ignoreregex, config.ignoreregex_origins),
        }
        if option in lists and lists[option][0]:
            for regex, origin in zip(*lists[option], strict=True):
                yield Row(option, regex, origin)
            continue
        set_ = option in config.values
        value = typed.get(option, "") if not set_ or option in unusable else config.values[option]
        yield Row(option, value.strip(), config.origins.get(option) if set_ else None)


def actions(config: JailConfig) -> tuple[Action, ...]:
    """Return what ``action`` names, in its order, each with what it comes to."""
    made = list(config.actions)
    found = []
    try:
        calls = parse_actions(Text.at(config.values.get("action", ""), BUILT_IN))
    except ConfigError:  # a jail with such an action is left out; this one has been reconfigured by hand
        calls = ()
    for call in calls:
        settings = next((each for each in made if each.name == call.name), None)
        if settings is not None:
            made.remove(settings)
        found.append(Action(call.name, settings))
    return (*found, *(Action(settings.name, settings) for settings in made))


def _typed(config: JailConfig) -> dict[str, str]:
    """What counts of the options that are numbers, spans or choices."""
    settings = config.settings
    return {
        "enabled": "false",
        "logencoding": settings.lines.encoding,
        "datepattern": "\n".join(settings.lines.datepattern) or "{DEFAULT}",
        "maxlines": str(settings.filter.maxlines),
        "usedns": settings.filter.usedns,
        "ignoreself": "true" if settings.ignore.ignoreself else "false",
        "bantime": durations.render(settings.bantime.bantime),
        "findtime": durations.render(settings.window.findtime),
        "window": settings.window.window,
        "maxretry": str(settings.window.maxretry),
        "maxmatches": str(settings.window.maxmatches),
        "backend": config.backend,
    }
