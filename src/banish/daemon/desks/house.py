"""The desk for the daemon itself: ``ping``, ``reload`` and ``stop``."""

from __future__ import annotations

import banish
from banish.control import commands
from banish.control.handler import Pong, Reloaded, Stopping
from banish.daemon.desks.desk import Desk, problem_rows
from banish.errors import ConfigError, ControlError


class House(Desk):
    """Keeps the daemon going, or ends it."""

    def ping(self) -> Pong:
        """Say that we are here, and at work."""
        self.at_work()
        return {"reply": "pong", "version": banish.__version__}

    def reload(self) -> Reloaded:
        """Read the configuration again."""
        self.at_work()
        try:
            running = self.daemon.reload()
        except ConfigError as error:
            raise ControlError(error.problem.text, commands.INVALID_CONFIGURATION, error.problem.remedy) from error
        return {"jails": running, "problems": problem_rows(self.daemon.problems())}

    def stop(self) -> Stopping:
        """Begin to stop; the answer still reaches the client, because the server closes last."""
        self.daemon.stop()
        return {"stopping": True}
