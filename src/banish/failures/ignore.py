"""Who is never counted: ``ignoreip`` and ``ignoreself``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IgnoreSettings:
    """jail.conf(5) ``ignoreip`` (its items as written) and ``ignoreself``."""

    ignoreip: tuple[str, ...] = ()
    ignoreself: bool = True
