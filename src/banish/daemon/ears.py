"""Listens to what others do to the bans, wherever that can be heard; elsewhere the look of every few seconds serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from banish.daemon.logbook import Logbook


class Ears:
    """Calls *heard* when an enforcer has something to find out. To be used from one event loop."""

    def __init__(self, heard: Callable[[], None], logbook: Logbook) -> None:
        self._heard = heard
        self._logbook = logbook
        self._attended: set[int] = set()

    def attend(self, listeners: Mapping[str, int]) -> None:
        """Listen to these file descriptors, by the names of their enforcers, and to no others any more."""
        self.close()
        self._attended = set(listeners.values())
        for descriptor in self._attended:
            asyncio.get_running_loop().add_reader(descriptor, self._heard)
        told = ", ".join(listeners) or "none: it is looked every few seconds"
        self._logbook.say("actions", "DEBUG", f"enforcers that tell at once when somebody changes bans: {told}")

    def close(self) -> None:
        """Listen no more."""
        for descriptor in self._attended:
            asyncio.get_running_loop().remove_reader(descriptor)
        self._attended = set()
