"""Counts failures of one jail within ``findtime``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """jail.conf(5) ``maxretry``, ``findtime`` (seconds), ``maxmatches``; ``window`` is ours: how failures are counted."""

    maxretry: int = 5
    findtime: float = 600.0
    maxmatches: int = 5
    window: Literal["estimate", "exact"] = "estimate"
