"""Options that nobody knows: most of them are slips of the pen.

Any key may be a variable for others, so a key counts as unknown only when no option of that name exists, nothing that was
read refers to it as ``%(key)s`` or ``<key>``, and the jail's filter and actions take no such parameter. Only what the user
wrote is judged: sections of jails, and ``[DEFAULT]`` in ``jail.*`` itself (included files are collections of variables).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from banish.config.ini import DEFAULT
from banish.config.layers import Definition, Sections, Tree
from banish.errors import Problem

READ = frozenset(
    {
        "enabled",
        "backend",
        "filter",
        "logpath",
        "maxretry",
        "maxmatches",
        "findtime",
        "bantime",
        "ignoreip",
        "ignoreself",
        "usedns",
        "logencoding",
        "logtimezone",
        "datepattern",
        "maxlines",
        "journalmatch",
        "action",
        "window",
        "prefregex",
        "failregex",
        "ignoreregex",
        "bantime.increment",
        "bantime.factor",
        "bantime.formula",
        "bantime.multipliers",
        "bantime.maxtime",
        "bantime.rndtime",
        "bantime.overalljails",
        "ignorecommand",
        "ignorecache",
        "breaker.bans",
        "breaker.peers",
        "breaker.leastpeers",
        "skip_if_nologs",
        "systemd_if_nologs",
    }
)
"""Options of a jail that mean something by themselves."""

VARIABLES = frozenset(
    {
        "mode",
        "port",
        "protocol",
        "chain",
        "banaction",
        "banaction_allports",
        "destemail",
        "sender",
        "mta",
        "fail2ban_agent",
    }
)
"""Names of jail.conf(5) that are there to be referred to, whether or not the files at hand do; ``action_*`` likewise."""

_REFERENCE = re.compile(r"%\(([^()]+)\)s|<([^\s<>]+)>")


def problems(tree: Tree, files: Sections, parameters: Mapping[str, Set[str]]) -> Iterable[Problem]:
    """Yield a warning for each unknown option; *parameters* are the names that each enabled jail gives in brackets."""
    referred = _referred(files)
    everywhere = referred.union(*parameters.values())
    for section in (DEFAULT, *files.names()):
        known = everywhere if section == DEFAULT else referred | parameters.get(section, frozenset())
        for option in files.options(section):
            if _is_known(option, known):
                continue
            definition = files.definition(section, option)
            if definition is not None and _is_judged(tree, definition):
                yield _problem(definition, known)


def _referred(files: Sections) -> set[str]:
    found = set()
    for definition in files.all_definitions():
        for interpolated, tag in _REFERENCE.findall(definition.text.text):
            found.add((interpolated or tag).rpartition("/")[2].strip().lower())
    return found


def _is_judged(tree: Tree, definition: Definition) -> bool:
    file = definition.text.origin.file
    if not tree.is_user_file(file):
        return False
    if definition.section != DEFAULT:
        return True
    path = Path(file)
    return path.stem == "jail" or path.parent.name == "jail.d"


def _is_known(option: str, known: Set[str]) -> bool:
    return option in READ or option in VARIABLES or option.startswith("action_") or option in known


def _problem(definition: Definition, known: Set[str]) -> Problem:
    from difflib import get_close_matches  # noqa: PLC0415 - most files have no such slip

    near = get_close_matches(definition.option, sorted(READ | VARIABLES), n=1, cutoff=0.75)
    near = near or get_close_matches(definition.option, sorted(known), n=1, cutoff=0.85)
    return Problem(
        "unknown option",
        remedy=f"did you mean {near[0]}?" if near else "",
        section=definition.section,
        option=definition.option,
        value=definition.text.text,
        origin=definition.text.origin,
        severity="warning",
    )
