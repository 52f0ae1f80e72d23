"""Who comes back, and who a command spares: banishd as a whole, on a log we write."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.daemon import Daemon
from tests.end_to_end.conftest import Town

pytestmark = pytest.mark.sshd

OFFENDER = "198.51.100.9"


def jail_local(name: str, more: str) -> str:
    return (
        f"[{name}]\nenabled = true\nfilter =\nfailregex = ^ no entry for <F-USER>\\S+</F-USER> from <HOST>$\n"
        f"logpath = /run/lab/{name}/door.log\nmaxretry = 3\n{more}\n"
    )


def door(town: Town, name: str) -> Path:
    log = town.server.lab.path(town.server.lab.directory / name / "door.log")
    log.parent.mkdir()
    log.touch()
    return log


def knock(log: Path, *users: str, source: str = OFFENDER) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with log.open("a") as opened:
        opened.writelines(f"{stamp} no entry for {user} from {source}\n" for user in users)


def test_who_comes_back_is_banned_sooner_and_longer_even_after_kill_9(town: Town) -> None:
    log = door(town, "back")
    local = jail_local("back", "bantime = 1s\nbantime.increment = true\nbantime.multipliers = 1 3600 7200")
    with Daemon(town.server, local, name="back") as daemon:
        knock(log, "a", "b", "c")
        daemon.wait_for_log(f"NOTICE  [back] Ban {OFFENDER}")
        daemon.wait_for_log(f"NOTICE  [back] Unban {OFFENDER}")
        daemon.kill()
    with Daemon(town.server, local, name="back") as daemon:
        knock(log, "a", "b")
        increased = f"NOTICE  [back] Increase Ban {OFFENDER} (2 # 1h -> "
        daemon.wait_for("the increase", lambda: increased in daemon.log.read_text())
        text = daemon.log.read_text()
        assert f"INFO    [back] Found {OFFENDER}, bad - " in text
        assert ", 1 # -> 2.0, Ban\n" in text
        [ban] = daemon.ask("banned", OFFENDER)
        assert (round(ban["expires_at"] - ban["banned_at"]), ban["ban_count"]) == (3600, 2)
        assert ban["reason"].endswith(", banned once before")
        daemon.kill()
    with Daemon(town.server, local, name="back") as daemon:
        [again] = daemon.ask("banned", OFFENDER)
        assert again["expires_at"] == ban["expires_at"], "a restart does not cut it down to bantime"
        daemon.banish("unban", OFFENDER)
        knock(log, "a", "b")
        daemon.wait_for("two failures", lambda: daemon.ask("status", "back")["jails"][0]["failed_total"] == 2)
        assert daemon.ask("banned") == [], "who was pardoned is a first offender again"


def test_a_command_spares_whom_it_knows(town: Town) -> None:
    log = door(town, "asking")
    local = jail_local(
        "asking",
        'ignorecommand = test "<F-USER>" = friend || exit 1\nignorecache = key="<F-USER>", max-time=1m',
    )
    with Daemon(town.server, local) as daemon:
        knock(log, "friend", "friend", "friend", "friend", source="198.51.100.8")
        knock(log, "$(reboot)", "friend", "x;y", "'")
        daemon.wait_for_log(f"NOTICE  [asking] Ban {OFFENDER}")
        text = daemon.log.read_text()
        assert text.count("INFO    [asking] Ignore 198.51.100.8 by command") == 4
        assert text.count(f"INFO    [asking] Ignore {OFFENDER} by command") == 1
        assert [row["network"] for row in daemon.ask("banned")] == [f"{OFFENDER}/32"]
        assert " ERROR " not in text
