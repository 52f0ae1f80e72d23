"""action.d to settings: who carries an action out, and with which options.

An action file names its enforcer: option ``enforcer`` of ``[Definition]``, a member of the roster in
``banish.enforcement``. A file without one is made of shell commands, which this version does not run. Since the stock files
of fail2ban have the names of ours (``nftables``), a user's file of shell commands gives way to the packaged action of the
same name, so that a tree brought from there blocks as before; that is told as a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from banish.config.definition import FileDefinition, missing_file, what_is_given
from banish.config.grammar import Call
from banish.config.layers import Sections, Tree
from banish.config.text import BUILT_IN, Text
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Origin, Problem

_ENFORCER = "enforcer"
_AT_BAN = frozenset({"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"})
"""Tags that stay for the moment of the ban even when the file has an option of that name."""


@dataclass(frozen=True, slots=True)
class LoadedAction:
    """An action, and what should be said about it."""

    settings: ActionSettings
    problems: tuple[Problem, ...] = ()


def load(tree: Tree, call: Call, jail: str, option: Callable[[str], Text | None]) -> LoadedAction:
    """Return action.d/*call.name* with the options of *call* for *jail*, whose own options tags find through *option*.

    Raises ConfigError when there is no such action, when it cannot be put together, or when only a shell could run it.
    """
    name = f"action.d/{call.name}"
    files = tree.read(name)
    if files is None:
        raise missing_file(tree, "action", call.name)
    problems: tuple[Problem, ...] = ()
    if not _has_enforcer(files):
        builtin = tree.read(name, packaged_base=True)
        if builtin is None or not _has_enforcer(builtin):
            raise ConfigError(
                Problem(
                    f"action {call.name} is made of shell commands, which this version does not run",
                    "banaction = nftables",
                    severity="warning",
                )
            )
        problems = (
            Problem(
                f"the commands of action {call.name} are not run; the built-in action of the same name is used instead",
                "remove the file, or give it another name",
                origin=Origin(f"{tree.user}/{name}.conf"),
                severity="warning",
            ),
        )
        files = builtin
    options = put_together(files, call, jail, option)
    settings = ActionSettings(
        name=call.name, actname=options["actname"], enforcer=options.pop(_ENFORCER), options=options
    )
    return LoadedAction(settings, problems)


def _has_enforcer(files: Sections) -> bool:
    definition = files.definition("Definition", _ENFORCER)
    return definition is not None and bool(definition.text.text.strip())


def put_together(files: Sections, call: Call, jail: str, option: Callable[[str], Text | None]) -> dict[str, str]:
    """Return every option of an action for *jail*, ``name`` and ``actname`` too; raises ConfigError.

    Tags that only a ban can fill stay, and so do those whose option differs between the families.
    """
    given = what_is_given(call.options)
    instance = given.setdefault("name", Text.at(jail, BUILT_IN)).text
    given.setdefault("actname", Text.at(_actname(call.name, instance, jail), BUILT_IN))
    own = [name for section in ("Definition", "Init") for name in files.options(section)]
    # What the jail gives for every family is meant for every family, and hides what the file says for one.
    hidden = {name for name in own if "?" in name and name not in given and name.partition("?")[0] in given}
    conditional = frozenset(name.partition("?")[0] for name in {*own, *given} - hidden if "?" in name)
    definition = FileDefinition(files, given, untouched=_AT_BAN | conditional, jail=option)
    options = {}
    for name in definition.names():
        value = definition.get(name) if name not in hidden else None
        if value is not None:
            options[name] = value.text
    return options


def _actname(file: str, instance: str, jail: str) -> str:
    """The file's name, with what tells the instance from the jail: ``name=sshd-tcp`` in jail sshd is ``nftables-tcp``."""
    if instance == jail:
        return file
    suffix = instance.removeprefix(jail)
    if suffix != instance and not suffix[0].isalnum():
        return file + suffix
    return f"{file}-{instance}"
