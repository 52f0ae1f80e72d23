"""A jail that is new, one that comes back, and questions that were open when the daemon was killed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lab import Lab
from lab.daemon import Daemon

pytestmark = pytest.mark.sshd

_FILTER = {"filter.d/door.conf": "[Definition]\nfailregex = ^ door: failed from <HOST>$\n"}
_JAIL = """
[{name}]
enabled = true
filter = door
logpath = {log}
maxretry = 3
banaction = nftables[type=allports]
bantime = 1h
{more}
"""


class Door:
    """A daemon whose jails all watch one log."""

    def __init__(self, lab: Lab) -> None:
        self.inside = lab.directory / "door.log"
        self.log = lab.path(self.inside)
        self.log.touch()
        self.daemon = Daemon(lab.host("server"), self.jail("first"), name="door", files=_FILTER)

    def jail(self, name: str, more: str = "") -> str:
        return _JAIL.format(name=name, log=self.inside, more=more)

    def fail(self, address: str, times: int) -> None:
        with self.log.open("a") as log:
            log.write(f"{datetime.now(UTC).isoformat()} door: failed from {address}\n" * times)

    def failed(self, jail: str) -> int:
        """Failures counted so far, of whoever."""
        told = f"[{jail}] Found "
        return sum(told in line for line in self.daemon.log.read_text().splitlines())

    def wait_for_failures(self, jail: str, count: int) -> None:
        self.daemon.wait_for(f"{count} failures in {jail}", lambda: self.failed(jail) >= count)

    def banned(self, address: str, jail: str) -> bool:
        return any(ban["network"].split("/")[0] == address and ban["jail"] == jail for ban in self.daemon.ask("banned"))


@pytest.fixture
def door() -> Iterator[Door]:
    with Lab.hold() as lab:
        yield Door(lab)


def test_a_jail_that_is_new_to_a_log_sees_what_was_written_within_findtime_and_nothing_twice(door: Door) -> None:
    with door.daemon as daemon:
        door.fail("192.0.2.7", 2)
        door.wait_for_failures("first", 2)
        daemon.configure({"jail.local": door.jail("first") + door.jail("second")})
        daemon.banish("reload")
        door.wait_for_failures("second", 2)
        door.fail("192.0.2.7", 1)
        for jail in ("first", "second"):
            daemon.wait_for(f"{jail} to ban", lambda jail=jail: door.banned("192.0.2.7", jail))
        door.fail("192.0.2.8", 2)
        door.wait_for_failures("second", 5)
        daemon.configure({"jail.local": door.jail("first")})
        daemon.banish("reload")
        door.fail("192.0.2.9", 2)
        door.wait_for_failures("first", 7)
        daemon.configure({"jail.local": door.jail("first") + door.jail("second")})
        daemon.banish("reload")
        door.wait_for_failures("second", 7)
        door.fail("192.0.2.8", 1)
        daemon.wait_for("second to ban 192.0.2.8", lambda: door.banned("192.0.2.8", "second"))
        assert not door.banned("192.0.2.9", "second")
        assert (door.failed("first"), door.failed("second")) == (8, 8)


def test_a_jail_that_begins_at_the_tail_sees_nothing_from_before_and_what_it_missed_between(door: Door) -> None:
    tail = door.jail("second").replace(str(door.inside), f"{door.inside} tail")
    with door.daemon as daemon:
        door.fail("192.0.2.7", 1)
        door.wait_for_failures("first", 1)
        daemon.configure({"jail.local": door.jail("first") + tail})
        daemon.banish("reload")
        daemon.configure({"jail.local": door.jail("first")})
        daemon.banish("reload")
        door.fail("192.0.2.8", 2)
        door.wait_for_failures("first", 3)
        daemon.configure({"jail.local": door.jail("first") + tail})
        daemon.banish("reload")
        door.fail("192.0.2.8", 1)
        daemon.wait_for("second to ban", lambda: door.banned("192.0.2.8", "second"))
        assert (door.failed("first"), door.failed("second")) == (4, 3)


def test_a_jail_that_left_a_log_to_which_nothing_had_been_written_comes_back_to_that_place(door: Door) -> None:
    tail = door.jail("second").replace(str(door.inside), f"{door.inside} tail")
    door.fail("192.0.2.7", 1)
    door.daemon.configure({"jail.local": tail + door.jail("first").replace(str(door.inside), f"{door.inside} tail")})
    with door.daemon as daemon:
        daemon.configure({"jail.local": tail})
        daemon.banish("reload")
        door.fail("192.0.2.8", 2)
        door.wait_for_failures("second", 2)
        daemon.configure({"jail.local": tail + door.jail("first")})
        daemon.banish("reload")
        door.wait_for_failures("first", 2)
        door.fail("192.0.2.9", 1)
        door.wait_for_failures("first", 3)
        assert (door.failed("first"), door.failed("second")) == (3, 3)


def test_a_jail_that_is_new_at_a_start_looks_back_as_well(door: Door) -> None:
    with door.daemon as daemon:
        door.fail("192.0.2.7", 3)
        daemon.wait_for("first to ban", lambda: door.banned("192.0.2.7", "first"))
        daemon.kill()
    door.daemon.configure({"jail.local": door.jail("first") + door.jail("second")})
    with door.daemon as daemon:
        daemon.wait_for("second to ban", lambda: door.banned("192.0.2.7", "second"))
        assert (door.failed("first"), door.failed("second")) == (3, 3)


def test_a_command_that_was_being_asked_when_the_daemon_was_killed_is_asked_again(door: Door) -> None:
    gate = door.inside.with_name("gate")
    asks = f"ignorecommand = while ! test -e {gate}; do sleep 0.05; done; test <ip> = 192.0.2.7"
    door.daemon.configure({"jail.local": door.jail("first", asks)})
    with door.daemon as daemon:
        door.fail("192.0.2.7", 3)
        door.fail("192.0.2.8", 3)
        daemon.wait_for("the log to be judged", lambda: door.log.stat().st_size == _offset(daemon))
        daemon.kill()
        door.log.with_name("gate").touch()
    with door.daemon as daemon:
        daemon.wait_for("192.0.2.8 to be banned", lambda: door.banned("192.0.2.8", "first"))
        assert not door.banned("192.0.2.7", "first")
        assert door.failed("first") == 3


def _offset(daemon: Daemon) -> int:
    query = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT max(\"offset\") FROM positions').fetchone())"
    told = daemon.host.run(["python3", "-c", query, daemon.database], check=False).stdout.strip()
    return int(told) if told.isdecimal() else -1
