"""What can go wrong, in one tree, and how it is told.

::

    BanishError                what the package raises on purpose; anything else is a bug
    ├── ConfigError            something the administrator wrote; carries a Problem
    │   └── RegexError         an expression that does not compile or captures no failure id
    ├── FirewallError          the kernel refused; carries its errno
    ├── StoreError             the database is not usable
    └── ControlError           a command that could not be carried out; carries its exit code
        ├── UnknownJailError   it names a jail that does not run
        ├── UnknownOptionError it is to get or set something that cannot be got or set
        └── IncompleteError    a word is missing

A *problem* is the same fact as a value: configuration is read to its end, and every problem found on the way is reported,
whereas an error stops what it is raised in. A problem names where it stands and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Origin(NamedTuple):
    """The place a configuration value comes from; *line* counts from 1, and 0 says that the value has no line of its own."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """Something for a person to mend.

    *text* says what is wrong, *remedy* what to do. *severity* ``error`` means that something is left out because of it
    (the jail, as a rule), ``warning`` that everything runs, though perhaps not as intended. *fatal* is an error that leaves
    open what the configuration as a whole would have been (a file that cannot be read): it must not be put in force.

    >>> print(Problem("unknown option", remedy="did you mean maxretry?", section="sshd", option="maxrety",
    ...               value="3", origin=Origin("jail.local", 7)))
    jail.local:7 [sshd] maxrety = 3: unknown option (did you mean maxretry?)
    """

    text: str
    remedy: str = ""
    section: str = ""
    option: str = ""
    value: str = ""
    origin: Origin | None = None
    severity: Literal["error", "warning"] = "error"
    fatal: bool = False

    def __str__(self) -> str:
        where = [str(self.origin)] if self.origin else []
        if self.section:
            where.append(f"[{self.section}]")
        if self.option:
            where.append(f"{self.option} = {_one_line(self.value)}" if self.value else self.option)
        place = f"{' '.join(where)}: " if where else ""
        return f"{place}{self.text}" + (f" ({self.remedy})" if self.remedy else "")


def _one_line(value: str, limit: int = 120) -> str:
    shown = " ".join(value.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class BanishError(Exception):
    """The root of every error that the package raises on purpose."""


class ConfigError(BanishError):
    """The configuration cannot be used as written; ``str()`` gives the problem's one-line text."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class RegexError(ConfigError):
    """An expression cannot be used: *index* is its place in the list of its option, counted from 0."""

    def __init__(self, problem: Problem, index: int = 0) -> None:
        super().__init__(problem)
        self.index = index


class FirewallError(BanishError):
    """The kernel refused a change; *errno* is its number (0 where there is none), see errno(3)."""

    def __init__(self, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.errno = errno


class StoreError(BanishError):
    """The database cannot be opened, read or written; the text names the file and the remedy."""


class ControlError(BanishError):
    """A command that could not be carried out. *code* is the exit code of ``banish`` (see docs/reference/commands.md)."""

    def __init__(self, text: str, code: int = 1, hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint


class UnknownJailError(ControlError):
    """There is no such *jail*, or it does not run."""

    def __init__(self, text: str, jail: str, code: int, hint: str = "") -> None:
        super().__init__(text, code, hint)
        self.jail = jail


class UnknownOptionError(ControlError):
    """What *verb* (``get``, ``set``) names cannot be got or set."""

    def __init__(self, text: str, verb: str, code: int, hint: str = "") -> None:
        super().__init__(text, code, hint)
        self.verb = verb


class IncompleteError(ControlError):
    """A command that lacks a word."""
