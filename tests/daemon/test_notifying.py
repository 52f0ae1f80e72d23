"""What a service manager hears of the daemon."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish.daemon.notifying import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def test_it_says_ready_reloading_ready_stopping(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "PATH": "/bin"}
    notifier = Notifier(environment, clock=lambda: 12.5)
    assert environment == {"PATH": "/bin"}, "no command may speak in the daemon's name"
    with notifier.reloading():
        assert heard(manager) == [], "it is still starting"
    notifier.ready()
    ready = f"READY=1\nMAINPID={os.getpid()}"
    with notifier.reloading():
        assert heard(manager) == [ready, "RELOADING=1\nMONOTONIC_USEC=12500000"]
    with pytest.raises(ZeroDivisionError), notifier.reloading():
        _ = 1 / 0
    assert heard(manager) == [ready, "RELOADING=1\nMONOTONIC_USEC=12500000", ready], "a reload that failed is over, too"
    notifier.stopping()
    assert heard(manager) == ["STOPPING=1"]


def test_the_watchdog_gets_a_sign_of_life_three_times_in_its_span(manager: socket.socket) -> None:
    now = 0.0
    environment = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    notifier = Notifier(environment, clock=lambda: now)
    statuses = iter(["1 jail", "1 jail", "2 jails", *["2 jails"] * 9])
    for now in range(0, 45, 5):  # noqa: B007 - the clock reads it
        notifier.tick(lambda: next(statuses))
    assert heard(manager).count("WATCHDOG=1") == 4
    told = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1", "NOTIFY_SOCKET": "x"}
    assert Notifier(told).watchdog == 0.0, "another process is meant"


def test_a_status_is_told_when_it_is_another(manager: socket.socket) -> None:
    now = 0.0
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()}, clock=lambda: now)
    for now, status in ((0.0, "1 jail"), (20.0, "1 jail"), (40.0, "2 jails\nand more")):  # noqa: B007
        notifier.tick(lambda status=status: status)  # type: ignore[misc]
    assert heard(manager) == ["STATUS=1 jail", "STATUS=2 jails and more"]


def test_no_manager_and_one_that_is_gone_are_no_trouble() -> None:
    Notifier({}).ready()
    notifier = Notifier({"NOTIFY_SOCKET": "@banish-test-nobody"})
    notifier.ready()
    notifier.stopping()
