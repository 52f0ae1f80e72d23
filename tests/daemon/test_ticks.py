"""Ticks do not get into the way of an event loop's signals."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from banish.daemon.ticks import Ticks


def test_a_signal_that_comes_among_many_ticks_reaches_the_event_loop(capfd: pytest.CaptureFixture[str]) -> None:
    count = 0

    def work() -> None:
        nonlocal count
        count += 1
        if count == 500:
            os.kill(os.getpid(), signal.SIGUSR2)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR2, came.set)
        ticks = Ticks(work)
        with ticks.running(0.0001):
            while count < 1000:
                pass
        assert not came.is_set()
        await asyncio.wait_for(came.wait(), 10)

    asyncio.run(story())
    assert capfd.readouterr().err == ""  # "Exception ignored when trying to write to the signal wakeup fd"


def test_without_an_event_loop_it_ticks_all_the_same_and_leaves_nothing_behind() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    ticked: list[int] = []
    with Ticks(lambda: ticked.append(1)).running(0.0001):
        while len(ticked) < 3:
            pass
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.set_wakeup_fd(-1) == -1


def test_no_signal_is_lost_while_the_timer_begins_or_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    set_wakeup_fd, sent, came = signal.set_wakeup_fd, 0, 0

    def disturbed(fd: int, **more: bool) -> int:
        nonlocal sent
        before = set_wakeup_fd(fd, **more)
        os.kill(os.getpid(), signal.SIGUSR2)
        sent += 1
        return before

    def count() -> None:
        nonlocal came
        came += 1

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, count)
        monkeypatch.setattr(signal, "set_wakeup_fd", disturbed)
        for _ in range(10):
            with Ticks(lambda: None).running(0.001):
                pass
        monkeypatch.undo()
        for _ in range(100):
            await asyncio.sleep(0)
        loop.remove_signal_handler(signal.SIGUSR2)

    asyncio.run(story())
    assert came == sent > 0
