"""Text becomes typed: the options of one section as numbers, seconds, choices and lists.

A value that cannot be read is told as a warning, and the default is used, as fail2ban does it; a value that cannot even be
put together (a bad reference) is an error, and whoever reads the section decides what that costs. Every value that was asked
for is kept with its origin, so that the effective configuration can be shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from banish import durations
from banish.config.text import Text
from banish.errors import ConfigError, Origin, Problem

_T = TypeVar("_T")

TRUE = frozenset({"1", "on", "true", "yes"})
FALSE = frozenset({"0", "off", "false", "no", ""})


class Options:
    """Reads the options that *get* finds; everything wrong is told in *problems*, under the name of *section*."""

    def __init__(self, section: str, get: Callable[[str], Text | None]) -> None:
        self.section = section
        self.problems: list[Problem] = []
        self.values: dict[str, str] = {}
        self.origins: dict[str, Origin] = {}
        self._get = get

    @property
    def failed(self) -> bool:
        """True when something was wrong enough that the section cannot be used."""
        return any(problem.severity == "error" for problem in self.problems)

    def text(self, option: str) -> Text | None:
        """Return the value of *option*, None when it is not set or cannot be put together."""
        try:
            value = self._get(option)
        except ConfigError as error:
            self.tell(error, option)
            return None
        if value is not None:
            self.values[option] = value.text
            self.origins[option] = value.origin
        return value

    def word(self, option: str, default: str = "") -> str:
        """Return the value of *option* as one string, *default* when it is not set or empty."""
        value = self.text(option)
        return (value.text.strip() if value else "") or default

    def entries(self, option: str) -> tuple[tuple[str, Origin], ...]:
        """Return the lines of *option* that are not empty."""
        value = self.text(option)
        return tuple(value.entries()) if value else ()

    def boolean(self, option: str, default: bool) -> bool:
        word = self.word(option).lower()
        if option not in self.values:
            return default
        if word not in TRUE | FALSE:
            self.warn(option, "is neither yes nor no; no is used", "write true or false")
        return word in TRUE

    def integer(self, option: str, default: int, *, least: int) -> int:
        """Return the whole number *option*; a number below *least* counts as *least*."""
        number = self._typed(option, default, int, f"write a whole number, {least} or more")
        if number < least:
            self.warn(option, f"is too small; {least} is used", f"write {least} or more")
        return max(number, least)

    def seconds(self, option: str, default: float, *, forever: bool, zero: bool = False) -> float:
        """Return the duration *option* in seconds, more than 0 (or 0, with *zero*); ``math.inf`` only where *forever* makes sense."""

        def parse(word: str) -> float:
            span = durations.parse(word)
            if not (span > 0 or (zero and span == 0)) or (math.isinf(span) and not forever):
                raise ValueError("not a span")
            return span

        limit = "not for ever" if zero else "longer than 0" if forever else "longer than 0 and not for ever"
        return self._typed(option, default, parse, f"write seconds, or 10m, 1h 30m, 1d; {limit}")

    def choice(self, option: str, default: _T, choices: Mapping[str, _T], otherwise: _T) -> _T:
        """Return what *choices* has for *option*; *otherwise* for a word that is not among them."""
        word = self.word(option).lower()
        if not word:
            return default
        if word not in choices:
            self.warn(option, f"is not known; {otherwise} is used", f"one of {', '.join(choices)}")
            return otherwise
        return choices[word]

    def _typed(self, option: str, default: _T, parse: Callable[[str], _T], remedy: str) -> _T:
        word = self.word(option)
        if not word:
            return default
        try:
            return parse(word)
        except ValueError:
            self.warn(option, f"cannot be used; the default {_show(default)} is", remedy)
            return default

    def warn(self, option: str, text: str, remedy: str = "") -> None:
        self.problem(option, text, remedy, severity="warning")

    def problem(
        self,
        option: str,
        text: str,
        remedy: str = "",
        severity: Literal["error", "warning"] = "error",
        origin: Origin | None = None,
    ) -> None:
        """Tell a problem of *option*, at its place and with its value as far as they are known."""
        self.problems.append(
            Problem(
                text,
                remedy,
                section=self.section,
                option=option,
                value=self.values.get(option, ""),
                origin=origin or self.origins.get(option),
                severity=severity,
            )
        )

    def tell(self, error: ConfigError, option: str = "", severity: Literal["error", "warning"] | None = None) -> None:
        """Tell what *error* carries, as a problem of this section."""
        found = error.problem
        if found.origin is None:
            found = replace(found, value=found.value or self.values.get(option, ""), origin=self.origins.get(option))
        self.problems.append(
            replace(found, section=self.section, option=found.option or option, severity=severity or found.severity)
        )


def _show(value: object) -> str:
    return durations.render(value) if isinstance(value, float) else str(value)
