"""A daemon that is changed while it runs: what is set acts on the next line, and goes with the next reload."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Host, Lab
from lab.daemon import Daemon

pytestmark = pytest.mark.netns

JAILS = """
[sshd]
enabled = false
[door]
enabled = true
filter =
failregex = ^ no entry from <HOST>$
datepattern = ^%%Y-%%m-%%dT%%H:%%M:%%S%%z
logpath = {log}
maxretry = 3
bantime = 1h
action = %(banaction)s[type=allports]
banaction = nftables
ignoreself = false
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.hold() as lab:
        yield lab.host("changed")


@pytest.fixture
def log(host: Host) -> Path:
    return host.lab.directory / "door.log"


@pytest.fixture
def daemon(host: Host, log: Path) -> Iterator[Daemon]:
    host.lab.path(log).write_text("")
    with Daemon(host, JAILS.format(log=log)) as daemon:
        yield daemon


def write(host: Host, log: Path, *messages: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with host.lab.path(log).open("a") as opened:
        opened.writelines(f"{stamp} {message}\n" for message in messages)


def in_kernel(host: Host, address: str) -> bool:
    return f"{address} " in host.run(["nft", "list", "ruleset"]).stdout.replace(",", " ")


def wait_for(daemon: Daemon, host: Host, address: str) -> None:
    daemon.wait_for(f"{address} in the kernel", lambda: in_kernel(host, address))


def judged(daemon: Daemon) -> int:
    return sum(source["lines"] for jail in daemon.ask("status")["jails"] for source in jail["sources"])


def test_what_is_set_acts_on_the_next_line_and_goes_with_a_reload(daemon: Daemon, host: Host, log: Path) -> None:
    def set_(*words: str) -> str:
        said = daemon.client("set", "door", *words)
        assert said.returncode == 0, said.stderr
        return said.stdout

    assert set_("maxretry", "1") == "1\n"
    write(host, log, "no entry from 192.0.2.1")
    wait_for(daemon, host, "192.0.2.1")
    assert "[1]: ^ go away <HOST>$" in set_("addfailregex", "^ go away <HOST>$")
    write(host, log, "go away 192.0.2.2")
    wait_for(daemon, host, "192.0.2.2")
    set_("addignoreip", "192.0.2.3")
    set_("bantime", "2h")
    write(host, log, "no entry from 192.0.2.3", "no entry from 192.0.2.4")
    wait_for(daemon, host, "192.0.2.4")
    assert not in_kernel(host, "192.0.2.3")
    (ban,) = daemon.ask("banned", "192.0.2.4")
    assert round(ban["expires_at"] - ban["banned_at"]) == 7200

    other = log.with_name("other.log")
    write(host, other, "no entry from 192.0.2.5")
    assert str(other) in set_("addlogpath", str(other))
    wait_for(daemon, host, "192.0.2.5")

    set_("idle", "on")
    lines = judged(daemon)
    write(host, log, "no entry from 192.0.2.6")
    daemon.wait_for("the line to be passed over", lambda: judged(daemon) > lines)
    set_("idle", "off")
    assert not in_kernel(host, "192.0.2.6")

    config = daemon.client("config", "door", "--config", str(log.parent / daemon.log.parent.name / "etc")).stdout
    shown = {tuple(line.split()) for line in config.splitlines()}
    assert ("maxretry", "=", "1", "#", "set", "at", "run", "time") in shown
    assert [row["words"] for row in daemon.ask("changes", "door")["changes"]][:2] == [
        ["maxretry", "1"],
        ["addfailregex", "^ go away <HOST>$"],
    ]

    daemon.banish("reload")
    assert daemon.ask("changes")["changes"] == []
    assert daemon.ask("get", "door", "maxretry")["value"] == 3
    assert in_kernel(host, "192.0.2.4")
    lines = judged(daemon)
    write(host, log, "go away 192.0.2.7", "no entry from 192.0.2.7")
    daemon.wait_for("the lines to be judged", lambda: judged(daemon) >= lines + 2)
    assert not in_kernel(host, "192.0.2.7")


def test_what_cannot_be_used_changes_nothing(daemon: Daemon, host: Host, log: Path) -> None:
    for words in (
        ("door", "addfailregex", "^ (broken <HOST>"),
        ("door", "datepattern", "%Q"),
        ("door", "maxretry", "none"),
        ("door", "action", "nftables", "blocktype", "maybe"),
        ("door", "maxrety", "2"),
        ("dor", "maxretry", "2"),
        ("loglevl", "DEBUG"),
        ("logtarget", "STDOUT[format=1"),
    ):
        said = daemon.client("set", *words)
        assert said.returncode in (1, 2, 5)
        assert said.stderr.startswith("banish: ")
    assert "did you mean maxretry?" in daemon.client("set", "door", "maxrety", "2").stderr
    assert "did you mean 'door'?" in daemon.client("set", "dor", "maxretry", "2").stderr
    assert daemon.ask("changes")["changes"] == []
    write(host, log, *["no entry from 192.0.2.30"] * 3)
    wait_for(daemon, host, "192.0.2.30")


def test_jails_stop_start_and_are_added(daemon: Daemon, host: Host, log: Path) -> None:
    daemon.banish("ban", "door", "192.0.2.40")
    assert daemon.banish("stop", "door") == "Jail stopped\n"
    assert not in_kernel(host, "192.0.2.40")
    assert daemon.client("status", "door").returncode == 5
    assert daemon.banish("start", "door") == "Jail started\n"
    assert in_kernel(host, "192.0.2.40")
    assert daemon.banish("restart", "door") == "OK\n"
    assert in_kernel(host, "192.0.2.40")
    assert daemon.banish("reload", "door", "--unban") == "OK\n"
    assert not in_kernel(host, "192.0.2.40")

    assert daemon.banish("add", "window", "polling") == "Added jail window\n"
    daemon.banish("set", "window", "addlogpath", str(log))
    daemon.banish("set", "window", "addfailregex", "^ broken by <HOST>$")
    daemon.banish("set", "window", "maxretry", "1")
    daemon.banish("set", "window", "addaction", "tell")
    told = log.with_name("told")
    daemon.banish("set", "window", "action", "tell", "actionban", f"echo <ip> >> {told}")
    write(host, log, "broken by 192.0.2.41")
    assert daemon.banish("start", "window") == "Jail started\n"
    daemon.wait_for("a line to be judged", lambda: judged(daemon) > 0)
    write(host, log, "broken by 192.0.2.42")
    path = host.lab.path(told)
    daemon.wait_for("the action", lambda: path.exists() and "192.0.2.42" in path.read_text())
    daemon.banish("set", "window", "action", "tell", "ban", '{"ip": "192.0.2.43"}')
    assert path.read_text().split()[-1] == "192.0.2.43"
    daemon.banish("stop", "--all")
    assert daemon.ask("status")["jails"] == []
    daemon.banish("reload")
    assert [jail["name"] for jail in daemon.ask("status")["jails"]] == ["door"]
