"""A thread for code that may block: calls one after another, each waited for no longer than its time.

A thread cannot be stopped from outside. Who takes longer than allowed is given up, and as long as it goes on, every further call
fails at its own time; the thread keeps neither the event loop nor the end of the process from coming.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

_Call = tuple[asyncio.Future[Any], Callable[[], Any]]


class Worker:
    """One thread, begun with the first call; to be used from one event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop

    async def call(self, function: Callable[[], Any], timeout: float) -> Any:  # noqa: ASYNC109
        """Return what *function* returns or raises there; TimeoutError when that takes more than *timeout* seconds."""
        self._loop = asyncio.get_running_loop()
        if self._thread is None:
            # Not an executor: Python waits for an executor's threads when it ends.
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._calls.put((answer, function))
        async with asyncio.timeout(timeout):
            return await answer

    def close(self) -> None:
        """Let the thread end when it has done what it is about."""
        if self._thread is not None:
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            answer, function = call
            if answer.cancelled():
                continue
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 - it is the caller's, even SystemExit
                error = raised
            try:
                self._loop.call_soon_threadsafe(_settle, answer, result, error)
            except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
                return


def _settle(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration | TimeoutError):
        answer.set_exception(error)
    else:  # what asyncio would understand in a way of its own
        answer.set_exception(RuntimeError(repr(error)))
