"""How long a ban lasts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BanTimeSettings:
    """jail.conf(5) ``bantime``, in seconds; ``math.inf`` is for ever."""

    bantime: float = 600.0


def ends_at(settings: BanTimeSettings, at: float) -> float:
    """Return when a ban that starts at *at* ends; ``math.inf`` when it never does."""
    return at + settings.bantime
