"""The disk of the database is full, read-only, or damaged: banning goes on, ``status`` says so, and all is well when the disk is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab import Host, Lab
from lab.daemon import Daemon

pytestmark = pytest.mark.sshd

_JAIL = """
[sshd]
enabled = true
logpath = {log}
maxretry = 3
banaction = nftables[type=allports]
bantime = 1h
"""
_READ = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
print(json.dumps(sorted(row[0] for row in connection.execute("SELECT id FROM bans"))))
"""


class Disk:
    """A daemon whose state lies on a file system of a megabyte."""

    def __init__(self, lab: Lab, host: Host, name: str) -> None:
        self.lab, self.host = lab, host
        self.state = lab.directory / name / "state"
        self.log = lab.directory / f"{name}.log"
        lab.path(self.log).touch()
        self.daemon = Daemon(host, _JAIL.format(log=self.log), name=name)
        lab.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "state", self.state])

    def fail(self, address: str, times: int = 3) -> None:
        at = datetime.now(UTC).isoformat()
        line = f"{at} host sshd[77]: Failed password for root from {address} port 22 ssh2\n"
        with self.lab.path(self.log).open("a") as log:
            log.write(line * times)

    def banned(self, address: str) -> bool:
        return address in self.host.run(["nft", "list", "table", "inet", "banish"], check=False).stdout

    def is_banned_for(self, address: str) -> None:
        self.fail(address)
        self.daemon.wait_for(f"{address} to be blocked", lambda: self.banned(address))

    def problems(self) -> str:
        return json.dumps(self.daemon.ask("status")["problems"])

    def wait_for_problem(self, text: str) -> None:
        self.daemon.wait_for(f"the problem {text!r}", lambda: text in self.problems())

    def wait_for_no_problem(self) -> None:
        self.daemon.wait_for("no problem", lambda: "database" not in self.problems(), timeout=30)

    def saved(self) -> Any:
        return json.loads(self.host.run([sys.executable, "-ISc", _READ, self.state / "banish.sqlite3"]).stdout)


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    with Lab.hold() as lab:
        yield Disk(lab, lab.host("server"), "disk")


def test_a_disk_that_is_full_stops_no_ban_and_is_caught_up_with_when_it_is_not(disk: Disk) -> None:
    with disk.daemon:
        disk.is_banned_for("192.0.2.1")
        disk.fail("192.0.2.3", times=2)
        fill = disk.state / "fill"
        disk.lab.run(["sh", "-c", f"yes > {fill} 2>/dev/null || true"])
        disk.is_banned_for("192.0.2.2")
        disk.fail("192.0.2.4", times=2)
        disk.wait_for_problem("cannot be written")
        assert "free some disk space" in disk.problems()
        disk.lab.run(["rm", fill])
        disk.wait_for_no_problem()
        disk.daemon.kill()
    with disk.daemon:
        assert disk.saved() == ["192.0.2.1", "192.0.2.2"]
        for address in ("192.0.2.3", "192.0.2.4"):
            disk.fail(address, times=1)
            disk.daemon.wait_for(f"{address} to be blocked", lambda address=address: disk.banned(address))


def test_a_disk_that_is_read_only_at_the_start_is_read_and_written_when_it_is_not(disk: Disk) -> None:
    with disk.daemon:
        disk.is_banned_for("192.0.2.1")
        disk.daemon.kill()
    disk.lab.run(["mount", "-o", "remount,ro", disk.state])
    with disk.daemon:
        assert disk.banned("192.0.2.1")
        disk.is_banned_for("192.0.2.2")
        disk.wait_for_problem("can be read but not written")
        disk.lab.run(["mount", "-o", "remount,rw", disk.state])
        disk.wait_for_no_problem()
        assert disk.saved() == ["192.0.2.1", "192.0.2.2"]


def test_a_database_that_is_lost_while_the_daemon_runs_is_begun_anew(disk: Disk) -> None:
    with disk.daemon:
        disk.is_banned_for("192.0.2.1")
        found = [path for path in disk.lab.path(disk.state).iterdir() if path.name.startswith("banish.sqlite3")]
        for path in found:
            Path(path).unlink()
        disk.is_banned_for("192.0.2.2")
        disk.wait_for_problem("a new one was begun with all bans in force")
        disk.daemon.kill()
    with disk.daemon:
        assert disk.saved() == ["192.0.2.1", "192.0.2.2"]
        assert disk.banned("192.0.2.1")
        disk.daemon.wait_for("192.0.2.2 to be blocked again", lambda: disk.banned("192.0.2.2"))
