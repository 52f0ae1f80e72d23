"""Jails that are new to a log: they are shown what the others have judged of it within their findtime (see ``lookback``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from banish.daemon.lookback import Missed, missed, missed_entries
from banish.daemon.remembering import P
from banish.daemon.sourcing import ages
from banish.jail import Jail
from banish.model import Cursor, Position

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor


class Latecomers:
    """Those of *daemon*."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon

    def catch_up(self, now: float) -> None:
        """Find them, after a start or a change of jails, and have them judge what they missed."""
        daemon = self._daemon
        for path, position in daemon.source.positions().items():
            joined = self._joined(path, position, now)
            new = {jail: left for jail, left in joined.items() if left is not None or not self._from_tail(jail, path)}
            self._judge(path, position, missed(path, position, new, now), now)
        watches = {watch.name: watch for watch, _ in ages(daemon.running)}
        for name, cursor in daemon.journal.positions().items():
            came = self._joined(name, cursor, now)
            self._judge(name, cursor, missed_entries(watches[name], cursor, came, now), now)
        daemon.ask()

    def _joined(self, source: str, position: P, now: float) -> dict[Jail, P | None]:
        daemon = self._daemon
        jails = {jail.name: jail for each in daemon.subscribers_of(source) for jail in each.jails}
        return {jails[name]: left for name, left in daemon.remembering.joined(source, jails, position, now).items()}

    def _from_tail(self, jail: Jail, path: str) -> bool:
        """True when a jail wants of *path* only what is written from now on."""
        patterns = self._daemon.source.patterns_of(path)
        config = self._daemon.running[jail.name].config
        return {each.start for each in config.logpaths if each.pattern in patterns} == {"tail"}

    def _judge(self, source: str, position: Position | Cursor, found: list[Missed], now: float) -> None:
        if found:
            names = ", ".join(sorted(f"'{jail.name}'" for each in found for jail in each.jails))
            told = f"New to {source}: {names}; what was written within findtime is judged"
            self._daemon.logbook.say("jail", "INFO", told)
            self._daemon.pipeline.catch_up(source, position, found, now)
