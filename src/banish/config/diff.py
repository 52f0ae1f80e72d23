"""What a reload has to do: the difference between two configurations, by the names of jails."""

from __future__ import annotations

from dataclasses import dataclass

from banish.config.jails import Configuration


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of jails, each list in the order of its configuration (the new one, but for *removed*)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def diff(old: Configuration, new: Configuration) -> Changes:
    """Return what changed from *old* to *new*; a jail whose values moved to another line or file has not changed."""
    before = {jail.name: jail for jail in old.jails}
    after = {jail.name: jail for jail in new.jails}
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name, jail in after.items() if name in before and before[name] != jail),
        kept=tuple(name for name, jail in after.items() if before.get(name) == jail),
    )
