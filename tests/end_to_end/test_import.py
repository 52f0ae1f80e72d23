"""Bans of the real fail2ban are taken over from its database."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lab.daemon import Daemon
from lab.namespaces import LabError
from tests.end_to_end.conftest import BYSTANDER, Town

_CONFIGURATION = """
[Definition]
logtarget = {place}/fail2ban.log
syslogsocket = auto
socket = {place}/fail2ban.sock
pidfile = {place}/fail2ban.pid
dbfile = {place}/fail2ban.sqlite3
dbmaxmatches = 10
dbpurgeage = 1d
"""
_JAILS = """
[DEFAULT]
backend = polling
maxretry = 2
findtime = 10m
usedns = no
filter = plain
action = nothing
enabled = true
[sshd]
bantime = 40m
logpath = {place}/sshd.log
[recidive]
bantime = -1
logpath = {place}/recidive.log
[short]
bantime = 3
logpath = {place}/short.log
[elsewhere]
bantime = 1h
logpath = {place}/elsewhere.log
"""
_FILTER = """
[Definition]
failregex = ^failed login from <ADDR>$
datepattern = ^%%Y-%%m-%%dT%%H:%%M:%%S%%z\\s
"""
_OURS = "[DEFAULT]\nbantime = 1h\nignoreip = 192.0.2.66\n" + "".join(
    f"[{jail}]\nenabled = true\nfilter = sshd\nlogpath = /dev/shm/none\nbackend = polling\n"
    for jail in ("sshd", "recidive", "short")
)


@pytest.fixture
def database(town: Town) -> Path:
    """A database that fail2ban has made, by the path that processes inside open: bans of four jails, one of which are over."""
    if shutil.which("fail2ban-server") is None:
        pytest.skip("fail2ban is not installed")
    inside = town.server.lab.directory / "fail2ban"
    outside = town.server.lab.path(inside)
    for name in ("action.d", "filter.d", "jail.d"):
        (outside / name).mkdir(parents=True)
    (outside / "fail2ban.conf").write_text(_CONFIGURATION.format(place=inside))
    (outside / "jail.conf").write_text(_JAILS.format(place=inside))
    (outside / "filter.d" / "plain.conf").write_text(_FILTER)
    (outside / "action.d" / "nothing.conf").write_text("[Definition]\nactionban = true\nactionunban = true\n")
    logs = {name: outside / f"{name}.log" for name in ("sshd", "recidive", "short", "elsewhere")}
    for log in logs.values():
        log.touch()
    server = town.server.popen(
        ["fail2ban-server", "-c", str(inside), "-f", "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def client(*words: str) -> str:
        command = ["fail2ban-client", "-c", str(inside), "-s", str(inside / "fail2ban.sock"), *words]
        return town.server.run(command, check=False).stdout

    def wait_for(what: str, text: str, *words: str) -> None:
        deadline = time.monotonic() + 60
        while text not in client(*words):
            if time.monotonic() > deadline:
                raise LabError(f"fail2ban: {what} does not happen")
            time.sleep(0.1)

    def fail(jail: str, address: str) -> None:
        with logs[jail].open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} failed login from {address}\n" * 2)
        wait_for(f"a ban of {address}", "Total banned:", "status", jail)

    try:
        wait_for("a start", "pong", "ping")
        for jail, address in (
            ("sshd", BYSTANDER),
            ("sshd", "2001:db8::7"),
            ("recidive", "198.51.100.1"),
            ("elsewhere", "198.51.100.3"),
        ):
            fail(jail, address)
        client("set", "short", "banip", "198.51.100.2")
        client("set", "sshd", "banip", "203.0.113.0/28")
        client("set", "sshd", "banip", "192.0.2.66")
        for jail, count in (("sshd", 4), ("recidive", 1), ("short", 1), ("elsewhere", 1)):
            wait_for(f"{count} bans in {jail}", f"Total banned:\t{count}", "status", jail)
        wait_for("the end of a ban", "Currently banned:\t0", "status", "short")
        client("stop")
        server.wait(20)
    finally:
        town.server.end(server)
    return inside / "fail2ban.sqlite3"


def test_bans_of_fail2ban_are_in_force_for_as_long_as_they_were_to_last(town: Town, database: Path) -> None:
    with Daemon(town.server, _OURS) as daemon:
        told = daemon.ask("import", str(database))
        assert told["waiting"] == {"elsewhere": 1}
        counts = {name: told[name] for name in ("banned", "refused", "over", "already_banned", "events")}
        assert counts == {"banned": 4, "refused": 1, "over": 1, "already_banned": 0, "events": 7}
        bans = {(row["jail"], row["network"]): row for row in daemon.ask("banned")}
        assert bans.keys() == {
            ("sshd", f"{BYSTANDER}/32"), ("sshd", "2001:db8::7/128"), ("sshd", "203.0.113.0/28"), ("recidive", "198.51.100.1/32"),
        }  # fmt: skip
        assert bans["recidive", "198.51.100.1/32"]["expires_at"] is None
        ban = bans["sshd", f"{BYSTANDER}/32"]
        assert ban["expires_at"] == ban["banned_at"] + 2400, "it was made for forty minutes, whatever is our bantime"
        assert (ban["reason"], ban["ban_count"]) == ("imported from fail2ban", 1)
        remaining = in_kernel(town)
        assert abs(remaining[BYSTANDER] - (ban["expires_at"] - time.time())) < 5
        assert remaining["198.51.100.1"] is None
        again = daemon.ask("import", str(database))
        assert (again["banned"], again["already_banned"], again["events"], again["waiting"]) == (0, 4, 0, {})
        assert daemon.ask("log", "198.51.100.2")[0]["reason"] == "imported from fail2ban"
        # Who was banned before is banned once more, not for the first time; and a jail that comes later has what was kept for it.
        daemon.banish("ban", "short", "198.51.100.2")
        (row,) = daemon.ask("banned", "198.51.100.2")
        assert row["ban_count"] == 2
        daemon.configure(
            {"jail.local": _OURS + "[elsewhere]\nenabled = true\nfilter = sshd\nlogpath = /dev/shm/none\n"}
        )
        daemon.banish("reload")
        assert [row["jail"] for row in daemon.ask("banned", "198.51.100.3")] == ["elsewhere"]
        said = daemon.banish("import", str(database))
        assert "in force before" in said


def in_kernel(town: Town) -> dict[str, float | None]:
    """Return the addresses that our sets hold, and how many seconds they have left there."""
    listed = json.loads(town.server.run(["nft", "-j", "list", "table", "inet", "banish"]).stdout)
    found: dict[str, float | None] = {}
    for item in listed["nftables"]:
        for element in item.get("set", {}).get("elem", []):
            if isinstance(element, dict) and isinstance(element["elem"]["val"], str):
                found[element["elem"]["val"]] = element["elem"].get("expires")
            elif isinstance(element, str):
                found[element] = None
    return found
