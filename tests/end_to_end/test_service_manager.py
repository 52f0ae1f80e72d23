"""banishd as a service: what it tells its manager, and what the units that ship ask for."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lab.daemon import Daemon
from tests.end_to_end.conftest import Town

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"


def told(manager: socket.socket, wanted: str, seconds: float = 20.0) -> list[str]:
    """Return what the manager is told up to *wanted*."""
    found: list[str] = []
    deadline = time.monotonic() + seconds
    while not any(text.startswith(wanted) for text in found):
        manager.settimeout(max(0.01, deadline - time.monotonic()))
        found.append(manager.recv(4096).decode())
    return found


def test_the_manager_hears_when_it_is_ready_alive_reloading_and_stopping(town: Town) -> None:
    place = town.server.lab.directory / "notify"
    jail = f"[sshd]\nenabled = true\nlogpath = {town.sshd.log}\n"
    daemon = Daemon(town.server, jail)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(town.server.lab.path(place)))
        environment = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "1000000"}
        process = town.server.popen(daemon.command(), environment=environment)
        try:
            (ready,) = told(manager, "READY=1")
            assert ready == f"READY=1\nMAINPID={inner_pid(ready)}"
            assert daemon.client("ping").returncode == 0, "it is ready when it answers"
            assert any(text.startswith("STATUS=1 jails, 0 bans") for text in told(manager, "STATUS"))
            assert "WATCHDOG=1" in told(manager, "WATCHDOG")
            town.server.signal(process, signal.SIGHUP)
            told(manager, "RELOADING=1\nMONOTONIC_USEC=")
            told(manager, "READY=1")
            daemon.configure({"jail.local": jail.replace("true", "wrong")})
            assert daemon.client("reload").returncode != 0
            told(manager, "RELOADING=1")
            told(manager, "READY=1")
            town.server.signal(process, signal.SIGTERM)
            told(manager, "STOPPING=1")
            assert process.wait(20) == 0
        finally:
            town.server.end(process)


def inner_pid(ready: str) -> int:
    return int(ready.rpartition("=")[2])


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("banish.service", "banish.socket"):
        text = (UNITS / name).read_text()
        programs = dict.fromkeys(("/usr/bin/banishd --foreground", "/usr/bin/banish reload"), "/bin/true")
        for program, there in programs.items():
            text = text.replace(program, there)
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "banish.service"), str(tmp_path / "banish.socket")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "banish" in line] == []


def test_the_service_unit_asks_for_what_the_daemon_does() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / "banish.service")
    service = unit["Service"]
    assert (service["Type"], service["ExecStart"]) == ("notify", "/usr/bin/banishd --foreground")
    assert service["ExecReload"] == "/usr/bin/banish reload"
    assert service["WatchdogSec"]
