"""A timer that calls a function in the main thread, again and again, in the middle of whatever runs there.

Every signal of a process that has an event loop is also written, as a byte, into the loop's own pipe, where the loop finds those
it waits for (``signal.set_wakeup_fd``). Ticks would fill it, and a request to stop that comes then would be lost. So while the
timer runs the bytes go to a pipe of ours, and what is no tick is handed on when it stops.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from termios import FIONREAD

# That of the module signal looks for each handler among those that have a name, by way of an exception, twice a batch.
_set_handler = _signal.signal
_TICK = bytes([signal.SIGALRM])
_NONE = bytes(4)


class Ticks:
    """Calls *work* every so often within ``running``; main thread only."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.interval = 0.0
        """Seconds between two ticks, by the clock on the wall; 0 when there are none."""
        self._work = work
        self._pipe: tuple[int, int] | None = None
        self._others = b""

    def every(self, seconds: float) -> None:
        """Tick every so many *seconds* from now on."""
        self.interval = seconds
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    @contextmanager
    def running(self, seconds: float) -> Generator[None]:
        """Tick every so many *seconds* within the block. A timer that somebody else has set goes on afterwards."""
        timer = signal.getitimer(signal.ITIMER_REAL)
        handler = _set_handler(signal.SIGALRM, self._tick)
        # Never without a pipe in between: the byte of a signal that comes at that moment would be written nowhere.
        wakeup = signal.set_wakeup_fd(self._own_pipe()[1], warn_on_full_buffer=False)
        if wakeup < 0:
            signal.set_wakeup_fd(-1)
        self.every(seconds)
        try:
            yield
        finally:
            self.every(0.0)
            _set_handler(signal.SIGALRM, handler)
            if wakeup >= 0:
                signal.set_wakeup_fd(wakeup)
                self._drain()
                others, self._others = self._others, b""
                if others:
                    with suppress(BlockingIOError):  # it has enough to do
                        os.write(wakeup, others)
            if timer[0]:
                signal.setitimer(signal.ITIMER_REAL, *timer)

    def _tick(self, *_: object) -> None:
        self._drain()
        self._work()

    def _own_pipe(self) -> tuple[int, int]:
        if self._pipe is None:
            self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            for fd in self._pipe:
                weakref.finalize(self, os.close, fd)
        return self._pipe

    def _drain(self) -> None:
        if (
            self._pipe is not None and ioctl(self._pipe[0], FIONREAD, _NONE) != _NONE
        ):  # a read in vain costs an exception
            with suppress(BlockingIOError):
                self._others += os.read(self._pipe[0], 1 << 16).replace(_TICK, b"")
