"""Keeps the endpoint for metrics where ``metrics`` in banish.local says, through reloads; what is wrong with that place is a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from banish.daemon.workers import stroke
from banish.errors import ConfigError, Problem

if TYPE_CHECKING:
    from banish.daemon.supervisor import Supervisor
    from banish.telemetry.endpoint import Endpoint

LOOK_EVERY = 2.0
"""Seconds between looks at the setting, and between attempts to open what cannot be opened."""


class Outlet:
    """The endpoint of *daemon*."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon
        self._endpoint: Endpoint | None = None
        self._problem: Problem | None = None

    def problems(self) -> list[Problem]:
        """Return what keeps metrics from being served where they should be."""
        return [] if self._problem is None else [self._problem]

    async def keep(self) -> None:
        """Work for ever."""
        while True:
            await self.look()
            await stroke(LOOK_EVERY)

    async def look(self) -> None:
        """Serve where the settings say now."""
        known = self._problem
        if self._endpoint is None:
            self._endpoint = _endpoint(self._daemon)
        try:
            await self._endpoint.open(self._daemon.settings.metrics)
        except ConfigError as error:
            self._problem = error.problem
            if known != self._problem:
                self._daemon.logbook.problem(self._problem)
        else:
            self._problem = None

    async def close(self) -> None:
        """Serve no longer."""
        if self._endpoint is not None:
            await self._endpoint.close()


def _endpoint(daemon: Supervisor) -> Endpoint:
    # Bans do not wait for what only an observer needs.
    from banish.daemon import metering  # noqa: PLC0415
    from banish.telemetry.endpoint import Endpoint  # noqa: PLC0415

    return Endpoint(lambda wanted: metering.text(daemon, wanted), lambda: metering.health(daemon))
