"""action.d to settings: who carries an action out, and with which options.

There are four kinds:

* a file that names an enforcer (option ``enforcer`` of ``[Definition]``), a member of the roster in ``banish.enforcement``;
* a file that names a reporter (option ``reporter``), a member of the roster in ``banish.reporting``;
* a file of shell commands (``actionban = ...``), which are run as written;
* a Python file, called by its whole name: ``action = notify.py[to=root]``.

fail2ban's own firewall actions in a user's tree are made of commands, but an enforcer does the same in a fraction of the time:
unmodified, they are carried out by the packaged action of the same name (see ``stock``), unless ``native_actions = no``.

A packaged file may have commands beside its enforcer: they are run with option ``native = no``, or ``native_actions = no``. Commands of
the user's (a ``.local`` that sets ``actionban``) are always run, whatever the file names besides.

A file that everybody may write to is refused: whoever could change it would be root.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from banish.config import stock
from banish.config.definition import FileDefinition, missing_file, what_is_given
from banish.config.grammar import Call
from banish.config.layers import Sections, Tree
from banish.config.text import BUILT_IN, Text
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Origin, Problem

_ENFORCER, _REPORTER, _NATIVE = "enforcer", "reporter", "native"
_NO = frozenset({"no", "0", "off", "false"})
_AT_BAN = frozenset({"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"})
"""Tags that stay for the moment of the ban even when the file has an option of that name."""
_FAMILIES = ("", "inet4", "inet6")


class LoadedAction(NamedTuple):
    """An action, and what should be said about it."""

    settings: ActionSettings
    problems: tuple[Problem, ...] = ()


def load(
    tree: Tree, call: Call, jail: str, option: Callable[[str], Text | None], *, native: bool = True
) -> LoadedAction:
    """Return action.d/*call.name* with the options of *call* for *jail*, whose own options tags find through *option*.

    With *native*, an enforcer serves for fail2ban's own unmodified actions. Raises ConfigError when there is no such action, or it
    cannot be put together.
    """
    if call.name.endswith(".py"):
        return _python(tree, call, jail)
    name = f"action.d/{call.name}"
    files = tree.read(name)
    if files is None:
        raise missing_file(tree, "action", call.name)
    overruled = _has_commands_of_the_user(tree, files)
    if _names(files, _REPORTER) and not overruled:
        return LoadedAction(_reported(files, call, jail, option), _guarded(files.files))
    if _names(files, _ENFORCER) and not overruled:
        settings = _enforced(files, call, jail, option)
        if not _has_commands(files) or (native and settings.options.get(_NATIVE, "yes").strip().lower() not in _NO):
            return LoadedAction(settings)
    builtin = tree.read(name, packaged_base=True) if native else None
    if builtin is not None and _names(builtin, _ENFORCER) and stock.is_unmodified(tree, files):
        settings = _enforced(builtin, call, jail, option)
        if stock.can_be_honoured(call, settings):
            return LoadedAction(replace(settings, stock=True))
    problems = _guarded(files.files)
    options = put_together(files, call, jail, option)
    for ours in (_ENFORCER, _REPORTER, _NATIVE):
        options.pop(ours, None)
    if not any(name.partition("?")[0].startswith("action") and text.strip() for name, text in options.items()):
        raise ConfigError(Problem(f"action {call.name} has no commands", "give it actionban = ...", option="action"))
    families = {family: put_together(files, call, jail, option, family) for family in _FAMILIES}
    return LoadedAction(
        ActionSettings(call.name, options["actname"], enforcer="", options=options, families=families), problems
    )


def _enforced(files: Sections, call: Call, jail: str, option: Callable[[str], Text | None]) -> ActionSettings:
    options = put_together(files, call, jail, option)
    # Of the commands that may stand beside the enforcer, nothing is run or need be known.
    kept = {name: text for name, text in options.items() if not name.startswith("action") or name == "actname"}
    return ActionSettings(name=call.name, actname=kept["actname"], enforcer=kept.pop(_ENFORCER), options=kept)


def _reported(files: Sections, call: Call, jail: str, option: Callable[[str], Text | None]) -> ActionSettings:
    options = put_together(files, call, jail, option)
    return ActionSettings(
        call.name, options["actname"], enforcer="", options=options, reporter=options.pop(_REPORTER).strip()
    )


def _names(files: Sections, option: str) -> bool:
    definition = files.definition("Definition", option)
    return definition is not None and bool(definition.text.text.strip())


def _has_commands(files: Sections) -> bool:
    return any(_names(files, option) for option in _commands(files))


def _has_commands_of_the_user(tree: Tree, files: Sections) -> bool:
    """True when a file of the user's sets a command in an action that we brought an enforcer or a reporter for."""
    found = (files.definition("Definition", option) for option in _commands(files))
    return any(
        each.text.text.strip() and tree.is_user_file(each.text.origin.file) for each in found if each is not None
    )


def _commands(files: Sections) -> list[str]:
    return [name for name in files.options("Definition") if name in ("actionban", "actionunban", "actionstart")]


def _python(tree: Tree, call: Call, jail: str) -> LoadedAction:
    """Return the action that is the Python file *call.name*; its class is loaded when the jail starts."""
    roots = [root for root in (tree.user, tree.packaged) if root is not None]
    path = next((path for root in roots if (path := root / "action.d" / call.name).is_file()), None)
    if path is None or ".." in Path(call.name).parts or Path(call.name).is_absolute():
        raise missing_file(tree, "action", call.name, suffix="")
    problems = _guarded([str(path)])
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        where = Origin(str(path))
        raise ConfigError(
            Problem(f"cannot be read: {error.strerror}", "check its permissions", origin=where)
        ) from error
    given = {name: text.text for name, text in what_is_given(call.options).items()}
    instance = given.pop("name", jail)
    actname = given.pop("actname", None) or _actname(call.name.removesuffix(".py"), instance, jail)
    settings = ActionSettings(call.name, actname, enforcer="", options=given, python=str(path), digest=digest)
    return LoadedAction(settings, problems)


def _guarded(files: Iterable[str]) -> tuple[Problem, ...]:
    """Warn of *files* that belong to somebody else; raises ConfigError for one that everybody may write to."""
    problems = []
    for file in files:
        try:
            found = os.stat(file)
        except OSError:
            continue  # whoever reads it tells
        if not stat.S_ISREG(found.st_mode):
            continue
        if found.st_mode & stat.S_IWOTH:
            raise ConfigError(
                Problem(
                    "everybody may write to it, so it is not run",
                    f"chmod o-w {file}",
                    option="action",
                    origin=Origin(file),
                    severity="warning",
                )
            )
        if found.st_uid not in (0, os.geteuid()):
            text = f"belongs to user {found.st_uid}, who can have anything run by changing it"
            problems.append(Problem(text, f"chown root {file}", origin=Origin(file), severity="warning"))
    return tuple(problems)


def put_together(
    files: Sections, call: Call, jail: str, option: Callable[[str], Text | None], family: str | None = None
) -> dict[str, str]:
    """Return every option of an action for *jail*, ``name`` and ``actname`` too; raises ConfigError.

    Tags that only a ban can fill stay, and so do those whose option differs between the families. With a *family* (``inet4``,
    ``inet6``, or "" for neither), only the former do, and there are no options like ``chain?family=inet6``.
    """
    given = what_is_given(call.options)
    instance = given.setdefault("name", Text.at(jail, BUILT_IN)).text
    given.setdefault("actname", Text.at(_actname(call.name, instance, jail), BUILT_IN))
    own = [name for section in ("Definition", "Init") for name in files.options(section)]
    # What the jail gives for every family is meant for every family, and hides what the file says for one.
    hidden = {name for name in own if "?" in name and name not in given and name.partition("?")[0] in given}
    conditional = frozenset(name.partition("?")[0] for name in {*own, *given} - hidden if "?" in name)
    untouched = _AT_BAN | conditional if family is None else _AT_BAN
    definition = FileDefinition(
        files, given, untouched=untouched, jail=option, family=family or "", hidden=frozenset(hidden)
    )
    options = {}
    for name in dict.fromkeys(definition.names() if family is None else map(_plain, definition.names())):
        value = definition.get(name) if name not in hidden else None
        if value is not None:
            options[name] = value.text
    return options


def _plain(name: str) -> str:
    return name.partition("?")[0]


def _actname(file: str, instance: str, jail: str) -> str:
    """The file's name, with what tells the instance from the jail: ``name=sshd-tcp`` in jail sshd is ``nftables-tcp``."""
    if instance == jail:
        return file
    suffix = instance.removeprefix(jail)
    if suffix != instance and not suffix[0].isalnum():
        return file + suffix
    return f"{file}-{instance}"
