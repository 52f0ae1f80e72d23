"""What ``set`` says of a jail's actions while it runs: ``addaction``, ``delaction`` and ``action NAME PROPERTY VALUE``.

An action that changes is begun anew: it ends its bans as it was, and makes them again as it is.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from banish.config.jails import JailConfig
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Problem

_FAMILIES = ("", "inet4", "inet6")
COMMANDS = (
    *("actionstart", "actionban", "actionunban", "actionstop", "actioncheck", "actionflush"),
    *("actionreban", "actionprolong", "actionreload", "actionrepair"),
)
"""What an action made of commands may have."""


def add(config: JailConfig, words: Sequence[str]) -> JailConfig:
    """``addaction NAME``: one without commands, which are set next; ``addaction NAME FILE.py [JSON]``: one in Python."""
    name, *python = words[0], *words[1:]
    if any(action.actname == name for action in config.actions):
        raise _refusal("", "", f"Action {name} already exists")
    options = {"name": config.name, "actname": name}
    if not python:
        made = ActionSettings(name, name, "", options=options, families={each: dict(options) for each in _FAMILIES})
    else:
        made = _python(name, Path(python[0]), python[1] if len(python) > 1 else "{}")
    return replace(config, actions=(*config.actions, made))


def delete(config: JailConfig, words: Sequence[str]) -> JailConfig:
    """``delaction NAME``."""
    unwanted = find(config, words[0])
    return replace(config, actions=tuple(action for action in config.actions if action is not unwanted))


def change(config: JailConfig, words: Sequence[str]) -> JailConfig:
    """``action NAME PROPERTY VALUE``."""
    action, option, value = find(config, words[0]), words[1], words[2]
    if option in ("name", "actname"):
        raise _refusal(option, value, "an action keeps its name", "add another one")
    families = {family: {**options, option: value} for family, options in action.families.items()}
    changed = replace(action, options={**action.options, option: value}, families=families)
    return replace(config, actions=tuple(changed if each is action else each for each in config.actions))


def find(config: JailConfig, name: str) -> ActionSettings:
    """Return the action of *config* that is called *name*; ConfigError when there is none."""
    for action in config.actions:
        if action.actname == name:
            return action
    names = [action.actname for action in config.actions]
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}" if names else "there is none"
    raise _refusal("", "", f"Invalid Action name: {name}", remedy)


def _python(name: str, path: Path, text: str) -> ActionSettings:
    try:
        given = json.loads(text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except ValueError:
        raise _refusal("addaction", text, "is no JSON object") from None
    except OSError as error:
        raise _refusal("addaction", str(path), f"cannot be read: {error.strerror}") from None
    if not isinstance(given, dict):
        raise _refusal("addaction", text, "is no JSON object")
    options = {str(option): str(value) for option, value in given.items()}
    return ActionSettings(path.name, name, "", options=options, python=str(path.absolute()), digest=digest)


def _refusal(option: str, value: str, text: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(text, remedy, option=option, value=value))
