"""Turns a batch of bytes into dated lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the lines of a source are decoded and dated; jails with equal settings share one reader per source."""

    datepattern: tuple[str, ...] = ()
    """Patterns of jail.conf(5) ``datepattern``; empty means the default templates."""
    encoding: str = "auto"
    """``logencoding``: a codec's name, or ``auto`` for UTF-8."""
    timezone: str = ""
    """``logtimezone``: applied to dates without a zone; empty means the machine's zone."""
