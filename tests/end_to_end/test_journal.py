"""banishd on a real journal: bans from entries, across restarts, and over to the log file when there is one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lab
from lab.daemon import Daemon
from lab.journald import Journald, Service, can_run

LACKING = lab.can_run(sshd=False) or can_run() or ""
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

FAILED = "Failed password for root from {} port 4711 ssh2"


class Machine(NamedTuple):
    """A host with a journal and a service called sshd."""

    host: lab.Host
    journald: Journald
    sshd: Service

    def path(self, name: str) -> Path:
        """Where processes on the host find the log *name*."""
        return self.host.lab.directory / name


@pytest.fixture
def machine() -> Iterator[Machine]:
    with lab.Lab.hold() as held:
        host = held.host("server")
        with Journald(held, host) as journald, Service(host, "sshd") as sshd:
            yield Machine(host, journald, sshd)


def jail_local(*options: str) -> str:
    return "\n".join(["[DEFAULT]", "bantime = 10m", "maxretry = 3", "", "[sshd]", "enabled = true", *options, ""])


def jail(daemon: Daemon) -> dict[str, Any]:
    [row] = daemon.ask("status", "sshd")["jails"]
    return dict(row)


def syslog_line(message: str, at: float | None = None) -> str:
    moment = datetime.fromtimestamp(time.time() if at is None else at)
    return f"{moment:%b %d %H:%M:%S} {os.uname().nodename} sshd[4711]: {message}\n"


@pytest.mark.parametrize("path", [None, "/nowhere"])
def test_entries_of_sshd_lead_to_a_ban(machine: Machine, path: str | None) -> None:
    with Daemon(machine.host, jail_local("backend = systemd", f"logpath = {path or '/var/log/auth.log'}")) as daemon:
        for _ in range(3):
            machine.sshd.say(FAILED.format("192.0.2.66"))
        daemon.wait_for_log("NOTICE  [sshd] Ban 192.0.2.66")
        row = jail(daemon)
        assert (row["failed_total"], row["banned"], row["reads"]) == (3, ["192.0.2.66"], "journal")
        match = (
            "_SYSTEMD_UNIT=ssh.service + _SYSTEMD_UNIT=sshd.service + _COMM=sshd + _COMM=sshd-session + _COMM=sshd-auth"
        )
        assert [source["name"] for source in row["sources"]] == [f"systemd-journal {match}"]
        assert f"|  `- Journal matches:\t{match}\n" in daemon.banish("status", "sshd")
        assert daemon.ask("status")["problems"] == []


def test_a_jail_that_joins_others_on_the_journal_judges_the_last_findtime(machine: Machine) -> None:
    first = jail_local("backend = systemd", "maxretry = 1000")
    second = "[second]\nenabled = true\nfilter = sshd\nbackend = systemd\n"

    def failures(daemon: Daemon) -> dict[str, int]:
        return {row["name"]: row["failed_total"] for row in daemon.ask("status")["jails"]}

    with Daemon(machine.host, first, name="joined") as daemon:
        for number in range(2):
            machine.sshd.say(FAILED.format(f"192.0.2.{number + 1}"))
        daemon.wait_for("two failures", lambda: failures(daemon) == {"sshd": 2})
        daemon.configure({"jail.local": first + second})
        daemon.ask("reload")
        assert failures(daemon) == {"sshd": 2, "second": 2}
        daemon.wait_for_log("'second'; what was written within findtime is judged")
        machine.sshd.say(FAILED.format("192.0.2.3"))
        daemon.wait_for("both to judge the next", lambda: failures(daemon) == {"sshd": 3, "second": 3})

        daemon.configure({"jail.local": first})  # it leaves, and comes back
        daemon.ask("reload")
        machine.sshd.say(FAILED.format("192.0.2.4"))
        daemon.wait_for("the fourth", lambda: failures(daemon) == {"sshd": 4})
        daemon.configure({"jail.local": first + second})
        daemon.ask("reload")
        assert failures(daemon) == {"sshd": 4, "second": 1}, "only what was written while it was away"
        daemon.stop()
    third = second.replace("second", "third")
    with Daemon(machine.host, first + third, name="joined") as daemon:  # between two runs
        daemon.wait_for("the new one to know all", lambda: failures(daemon)["third"] == 4)


def test_each_entry_counts_once_across_stops_and_kills(machine: Machine) -> None:
    local = jail_local("backend = systemd", "maxretry = 1000", "findtime = 1h")
    counted = 0
    for end in ("stop", "kill", "stop"):
        with Daemon(machine.host, local, name="again") as daemon:
            machine.sshd.say(FAILED.format("192.0.2.66"))
            daemon.wait_for("an entry to be counted", lambda: jail(daemon)["failed_total"] > 0)
            counted += jail(daemon)["failed_total"]
            if end == "stop":
                daemon.stop()
            else:
                time.sleep(2.5)  # until the positions are saved, which a ban does at once
                daemon.kill()
        machine.sshd.say(FAILED.format("192.0.2.67"))  # while it is down
    with Daemon(machine.host, local, name="again") as daemon:
        daemon.wait_for("the last one to be counted", lambda: jail(daemon)["failed_total"] > 0)
        time.sleep(0.5)
        counted += jail(daemon)["failed_total"]
    assert counted == 6


def test_without_a_log_file_the_journal_is_read_and_when_it_appears_the_file(machine: Machine) -> None:
    log = machine.path("auth.log")
    outside = machine.host.lab.path(log)
    with Daemon(machine.host, jail_local(f"logpath = {log}", "maxretry = 1000", "findtime = 1h")) as daemon:
        row = jail(daemon)
        assert (row["reads"], row["reads_because"]) == ("journal", f"there is no file {log} yet")
        assert row["problem"] is None
        said = 0
        for _ in range(3):
            machine.sshd.say(FAILED.format("192.0.2.66"))
            said += 1
        daemon.wait_for("the journal to be read", lambda: jail(daemon)["failed_total"] == 3)
        deadline = time.monotonic() + 12
        while jail(daemon)["reads"] == "journal" and time.monotonic() < deadline:
            say_twice(machine, outside)
            said += 1
            time.sleep(0.1)
        for _ in range(5):
            say_twice(machine, outside)
            said += 1
        daemon.wait_for("the file to be read", lambda: jail(daemon)["failed_total"] >= said)
        time.sleep(1.0)
        row = jail(daemon)
        assert (row["reads"], row["reads_because"]) == ("files", f"{log} has appeared")
        assert [source["name"] for source in row["sources"]] == [str(log)]
        assert row["failed_total"] == said, "no line lost, none judged twice"


def say_twice(machine: Machine, log: Path) -> None:
    """Have an entry in the journal, and the same line in the file, as with rsyslog."""
    while time.time() % 1 > 0.95:
        time.sleep(0.01)  # rsyslog hands the journal's own time on; here both look at the clock
    machine.sshd.say(FAILED.format("192.0.2.66"))
    with log.open("a") as lines:
        lines.write(syslog_line(FAILED.format("192.0.2.66")))


def test_a_log_file_that_nobody_writes_to_any_more_is_left_for_the_journal(machine: Machine) -> None:
    log = machine.path("auth.log")
    outside = machine.host.lab.path(log)
    outside.write_text(syslog_line("Server listening on 0.0.0.0 port 22.", time.time() - 7200))
    os.utime(outside, (time.time() - 7200,) * 2)
    machine.sshd.say("Server listening on 0.0.0.0 port 22.")
    with Daemon(machine.host, jail_local(f"logpath = {log}")) as daemon:
        row = jail(daemon)
        assert (row["reads"], row["reads_because"]) == (
            "journal",
            f"nothing has been written to {log} while the journal went on",
        )
        for _ in range(3):
            machine.sshd.say(FAILED.format("192.0.2.66"))
        daemon.wait_for_log("NOTICE  [sshd] Ban 192.0.2.66")
        time.sleep(5.2)  # the journal says nothing more: what the file has now is not its copy
        with outside.open("a") as lines:
            lines.write(syslog_line(FAILED.format("127.0.0.1")))
            lines.write(syslog_line(FAILED.format("192.0.2.67")) * 3)
        daemon.wait_for_log("NOTICE  [sshd] Ban 192.0.2.67")
        daemon.wait_for_log("[sshd] Ignore 127.0.0.1 by ignoreself rule")  # the new jail knows whom to spare
        assert jail(daemon)["reads_because"] == f"{log} is written to again"


def test_a_log_file_that_is_alive_is_read(machine: Machine) -> None:
    log = machine.path("auth.log")
    machine.host.lab.path(log).write_text(syslog_line("Server listening on 0.0.0.0 port 22."))
    machine.sshd.say(FAILED.format("192.0.2.66"))
    with Daemon(machine.host, jail_local(f"logpath = {log}")) as daemon:
        row = jail(daemon)
        assert (row["reads"], row["reads_because"]) == ("files", "the files of logpath are there")
        daemon.configure({"jail.local": jail_local("backend = systemd")})
        daemon.banish("reload")
        assert jail(daemon)["reads"] == "journal"
        daemon.wait_for("the journal to be read", lambda: jail(daemon)["failed_total"] == 1)
