"""``fail2ban.server.action`` for Python actions: the few names that they derive from, written anew.

Where fail2ban itself can be imported it is left alone, and actions get what they ask for from there. Where it cannot, modules of
that name are put into ``sys.modules`` of this process, and of no other.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from types import ModuleType
from typing import Any

_NAME = "fail2ban"


class ActionBase:
    """What a Python action derives from, or looks like: every method but the constructor may be left as it is."""

    def __init__(self, jail: Any, name: str) -> None:
        self._jail = jail
        self._name = name
        self._logSys = logging.getLogger(f"fail2ban.{type(self).__name__}")  # the name it has there

    @property
    def _prolongable(self) -> bool:
        """Whether ``prolong`` shall be called when a ban gets another end."""
        return False

    def start(self) -> None:
        """Called once, when the jail starts."""

    def stop(self) -> None:
        """Called once, when the jail stops."""

    def ban(self, aInfo: Mapping[str, Any]) -> None:  # noqa: N803 -- authors call it by this name
        """Called for each ban."""

    def unban(self, aInfo: Mapping[str, Any]) -> None:  # noqa: N803
        """Called for each ban that ends."""

    def reban(self, aInfo: Mapping[str, Any]) -> None:  # noqa: N803
        """Called for a ban that was lost; a ban like any other."""
        self.ban(aInfo)


class CallingMap(MutableMapping[str, Any]):
    """A mapping that calls the values that can be called, when they are asked for."""

    def __init__(self, *values: Any, **named: Any) -> None:
        self.data: dict[str, Any] = dict(*values, **named)

    def __getitem__(self, key: str) -> Any:
        value = self.data[key]
        return value() if callable(value) else value

    def __setitem__(self, key: str, value: Any) -> None:
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def copy(self) -> CallingMap:
        return CallingMap(self.data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data!r})"


def install() -> None:
    """Make ``import fail2ban.server.action`` work in this process, whether or not fail2ban is installed."""
    try:
        importlib.import_module(f"{_NAME}.server.action")
    except ImportError:
        for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
            del sys.modules[name]  # half of an installation that cannot be used
        sys.modules.update(_modules())


def _modules() -> dict[str, ModuleType]:
    made: dict[str, ModuleType] = {}
    for name in (_NAME, f"{_NAME}.server", f"{_NAME}.server.action", f"{_NAME}.server.actions", f"{_NAME}.helpers"):
        module = made[name] = ModuleType(name, "Stands in for fail2ban, which is not installed.")
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(made[parent], own, module)
    for name in (_NAME, f"{_NAME}.server"):
        vars(made[name])["__path__"] = []
    for name in ("action", "actions"):
        vars(made[f"{_NAME}.server.{name}"]).update(ActionBase=ActionBase, CallingMap=CallingMap)
    vars(made[f"{_NAME}.helpers"])["getLogger"] = _logger
    return made


def _logger(name: str) -> logging.Logger:
    last = name.rpartition(".")[2]
    return logging.getLogger(f"fail2ban.{last}")
