"""What the service manager is told: sd_notify(3), by a datagram to the socket that it named in the environment.

Ready, reloading, stopping, a line for ``systemctl status``, and a sign of life for the watchdog. Without a service manager nothing
happens. The variables are taken out of the environment, so that no command that the daemon runs speaks in its name.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, MutableMapping

_PATIENCE = 1.0
"""Seconds that the manager may take to receive."""
_STATUS_EVERY = 10.0
"""Seconds between two lines of status."""


class Notifier:
    """Speaks to the manager that *environment* names. *clock* gives seconds that never go back (CLOCK_MONOTONIC)."""

    def __init__(
        self, environment: MutableMapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._address = environment.pop("NOTIFY_SOCKET", "")
        usec, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        meant = usec.isdigit() and process in ("", str(os.getpid()))
        self.watchdog = int(usec) / 1e6 / 3 if meant and self._address else 0.0
        """Seconds between two signs of life; 0 when nobody waits for them."""
        self._alive_at = self._status_at = clock()
        self._status = ""
        self._is_ready = False

    def ready(self) -> None:
        """Tell that the daemon protects: earlier bans are in force, logs are watched, commands answered."""
        self._is_ready = True
        self._send(f"READY=1\nMAINPID={os.getpid()}")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is read again within the block."""
        if not self._is_ready:
            yield
            return
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock() * 1e6)}")
        try:
            yield
        finally:
            self.ready()

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._is_ready = False
        self._send("STOPPING=1")

    def tick(self, status: Callable[[], str]) -> None:
        """Give a sign of life when it is time; and *status*, one line, when it is another than before."""
        if not self._address:
            return
        now = self._clock()
        if self.watchdog and now - self._alive_at >= self.watchdog:
            self._alive_at = now
            self._send("WATCHDOG=1")
        if now - self._status_at >= _STATUS_EVERY or not self._status:
            self._status_at = now
            line = status().replace("\n", " ")
            if line != self._status:
                self._status = line
                self._send(f"STATUS={line}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A manager that cannot be told is no reason to stop protecting.
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(_PATIENCE)
            manager.sendto(text.encode(), address)
