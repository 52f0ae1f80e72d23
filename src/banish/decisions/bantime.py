"""How long a ban lasts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BanTimeSettings:
    """jail.conf(5) ``bantime``, in seconds; ``math.inf`` is for ever."""

    bantime: float = 600.0
