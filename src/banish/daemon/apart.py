"""Searches in a process of their own, which the kernel ends when its time is over: for long texts, over which a search of
``re`` cannot be interrupted (see ``patience``).

The process is a copy of this one (fork), so that it has every expression ready. It serves one `Trial` after the other with the
same object, and answers in integers. It keeps no file of ours open, ends when we do, and answers no signal.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from banish.patience import Trial

_NUMBER = struct.Struct("=q")
_LENGTH = struct.Struct("=Q")
_OVER = -(1 << 62)
"""Told when a trial has told everything; what follows is how many microseconds it took."""
_OVERDUE = 2.0
"""Seconds of the clock on the wall after which the process is given up, should it get no processor time at all."""


class Told(NamedTuple):
    numbers: Sequence[int]
    seconds: float | None
    """Of processor time that it took; None when its time was over."""


class Apart:
    """One such process, for *trial*. ``ask`` may be called until it answers with ``seconds = None``."""

    def __init__(self, trial: Trial) -> None:
        """Raises OSError when the system has no more processes or descriptors."""
        theirs, self._ask = os.pipe()
        try:
            self._answer, ours = os.pipe()
            try:
                self._process = _fork()
            except OSError:
                os.close(self._answer)
                os.close(ours)
                raise
        except OSError:
            os.close(theirs)
            os.close(self._ask)
            raise
        if self._process == 0:
            _serve(trial, theirs, ours)
        os.close(theirs)
        os.close(ours)

    def ask(self, about: Any, seconds: float) -> Told:
        """Return what the trial tells *about* something, in *seconds* of processor time at most."""
        data = pickle.dumps((about, seconds), pickle.HIGHEST_PROTOCOL)
        with suppress(BrokenPipeError):
            _write(self._ask, _LENGTH.pack(len(data)) + data)
        poll = select.poll()
        poll.register(self._answer, select.POLLIN)
        until = time.monotonic() + seconds + _OVERDUE
        told = b""
        while True:
            if not poll.poll(max(until - time.monotonic(), 0) * 1000):
                break
            more = os.read(self._answer, 1 << 16)
            if not more:
                break
            told += more
            if len(told) % 8 == 0 and len(told) >= 16 and _NUMBER.unpack_from(told, len(told) - 16)[0] == _OVER:
                return Told(_numbers(told[:-16]), _NUMBER.unpack_from(told, len(told) - 8)[0] / 1e6)
        return Told(_numbers(told), None)

    def close(self) -> None:
        """End the process. To be called once."""
        os.close(self._ask)
        os.close(self._answer)
        with suppress(OSError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _fork() -> int:
    with warnings.catch_warnings():
        # That other threads do not go on in the copy is all right: nothing of what they hold is used there.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _serve(trial: Trial, questions: int, answers: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)  # the event loop of the other process would be told of our signals
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        low, high = sorted((questions, answers))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        while head := _read(questions, _LENGTH.size):
            about, seconds = pickle.loads(_read(questions, _LENGTH.unpack(head)[0]))  # noqa: S301 -- our own
            _try(trial, about, seconds, answers)
    finally:
        os._exit(0)


def _try(trial: Trial, about: Any, seconds: float, answers: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)  # which ends this process
    began = time.process_time()

    def tell(number: int) -> None:
        os.write(answers, _NUMBER.pack(number))

    trial(about, tell)
    spent = time.process_time() - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    os.write(answers, _NUMBER.pack(_OVER) + _NUMBER.pack(int(spent * 1e6)))


def _numbers(told: bytes) -> tuple[int, ...]:
    whole = len(told) // _NUMBER.size * _NUMBER.size
    return tuple(number for (number,) in _NUMBER.iter_unpack(told[:whole]))


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read(fd: int, length: int) -> bytes:
    """Return *length* bytes, fewer when there are no more."""
    data = bytearray()
    while len(data) < length and (more := os.read(fd, length - len(data))):
        data += more
    return bytes(data)
