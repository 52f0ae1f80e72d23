"""One thread for each service that is reported to, whichever jails report. It ends when there has been nothing to do for a while.

Threads, not tasks: urllib, smtplib and whois block. They are daemon threads, so that a service that hangs cannot keep the daemon
from ending.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from threading import Condition, Lock, Thread

from banish.reporting.outbox import Limits, Outbox, Parcel, Refused, TryAgain

IDLE = 30.0


class Courier:
    """Delivers the parcels of one outbox. May be called from any thread."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._outbox = Outbox(limits)
        self._changed = Condition()
        self._thread: Thread | None = None

    def submit(self, parcel: Parcel) -> None:
        with self._changed:
            gone = self._outbox.add(parcel)
            if self._thread is None:
                self._thread = Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        if gone is not None:
            gone.lost("too many reports are waiting, the oldest are dropped")

    def _work(self) -> None:
        while (parcel := self._next()) is not None:
            why, kept = "", False
            try:
                parcel.deliver()
            except TryAgain as error:
                why = str(error)
                with self._changed:
                    kept = self._outbox.fail(error.after, time.monotonic())
            except Refused as error:
                why = str(error)
            except Exception as error:  # noqa: BLE001 -- a bug of ours costs one report, not all that follow
                why = f"a bug in banish, please report it: {error!r}"
            if kept:
                continue
            with self._changed:
                self._outbox.settle()
            if why:
                parcel.lost(why)
            else:
                parcel.delivered()

    def _next(self) -> Parcel | None:
        """Wait for the next parcel; None when the thread is to end."""
        with self._changed:
            while pause := self._outbox.pause(time.monotonic()):
                signalled = self._changed.wait(min(pause, IDLE))
                if not signalled and not len(self._outbox):
                    self._thread = None
                    return None
            return self._outbox.take(time.monotonic())


_couriers: dict[Hashable, Courier] = {}
_lock = Lock()


def courier_for(service: str, limits: Limits) -> Courier:
    """Return the courier of *service* (a name that tells it from others, no secret), one for all that have the same *limits*."""
    with _lock:
        return _couriers.setdefault((service, limits), Courier(service, limits))
