"""The heart: lines in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass, field

from banish.decisions.bantime import BanTimeSettings
from banish.failures.ignore import IgnoreSettings
from banish.failures.window import WindowSettings
from banish.lines.reader import LineSettings
from banish.matching.filter import FilterSettings


@dataclass(frozen=True, slots=True)
class JailSettings:
    """Everything that decides what a jail makes of a line; each part lives in the room it governs."""

    name: str
    lines: LineSettings = field(default_factory=LineSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    ignore: IgnoreSettings = field(default_factory=IgnoreSettings)
    bantime: BanTimeSettings = field(default_factory=BanTimeSettings)
