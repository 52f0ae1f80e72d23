"""Every jail that ships, all switched on at once, on a server that has none of their logs: all run, and each says once what it lacks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from banish.config.jails import load
from banish.config.layers import Tree
from lab import Host, Lab
from lab.daemon import Daemon
from tests.samples.catalogue import DATA

pytestmark = pytest.mark.netns


def jails() -> list[str]:
    files = Tree(None, DATA).read("jail")
    assert files is not None
    return list(files.names())


class Burdened(Daemon):
    """A daemon with so many jails takes its time to start, beside others."""

    def wait_for(self, what: str, true: Any, *, timeout: float = 60.0) -> None:
        super().wait_for(what, true, timeout=max(timeout, 60.0))


@pytest.fixture
def bare() -> Iterator[Host]:
    """A host where nothing has ever been logged."""
    with Lab.hold() as lab:
        lab.run(["mount", "-t", "tmpfs", "lab", "/var/log"])
        yield lab.host("bare")


def test_all_jails_run_where_there_are_no_logs(bare: Host) -> None:
    names = jails()
    local = "".join(f"[{name}]\nenabled = true\n" for name in names)
    with Burdened(bare, local) as daemon:
        status = daemon.ask("status")
        assert {jail["name"] for jail in status["jails"] if jail["enabled"]} == set(names)
        assert all(jail["problem"] for jail in status["jails"]), "each says what it waits for"
        told = Counter((problem["jail"], problem["text"]) for problem in status["problems"])
        assert set(told.values()) == {1}
        assert {problem["severity"] for problem in status["problems"]} == {"warning"}
        # One of them comes to life: its log appears, and it bans.
        auth = bare.lab.path(Path("/var/log/auth.log"))
        stamp = time.strftime("%b %e %H:%M:%S")
        line = f"{stamp} bare sshd[{{}}]: Failed password for root from 192.0.2.66 port 4711 ssh2\n"
        auth.write_text("".join(line.format(number) for number in range(1, 6)))
        daemon.wait_for("the ban", lambda: "192.0.2.66" in daemon.banish("status", "sshd"))
        assert [row["jail"] for row in daemon.ask("banned", "192.0.2.66")].count("sshd") == 1
        daemon.stop()
    assert "Traceback" not in daemon.log.read_text()


def test_no_jail_that_ships_has_a_problem_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "jail.local").write_text("".join(f"[{name}]\nenabled = true\n" for name in jails()))
    loaded = load(tmp_path, DATA)
    assert loaded.left_out == ()
    assert loaded.problems == (), "\n".join(map(str, loaded.problems))
