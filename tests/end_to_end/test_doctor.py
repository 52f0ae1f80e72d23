"""`banish doctor` on a host where nothing is wrong, and on one where nearly everything is."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.daemon import Daemon
from tests.end_to_end.conftest import Town
from tests.end_to_end.test_sshd import attack, jail_local

pytestmark = pytest.mark.sshd

PLACE = "/run/lab/sick"
SICK = f"""
[DEFAULT]
bantime = 10m

[sshd]
enabled = true
port = 2222

[missing]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/nobody-writes-here.log

[silent]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/silent.log

[other]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/access.log

[zone]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/zone.log

[locked]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/locked.log

[tomorrow]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/tomorrow.log

[undated]
enabled = true
filter =
failregex = ^ no entry for <HOST>$
backend = polling
logpath = {PLACE}/undated.log

[rehearsal]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/auth.log
banaction = dryrun

[datagrams]
enabled = true
filter = door
backend = polling
logpath = {PLACE}/auth.log
port = 70
protocol = udp

[everybody]
enabled = true
filter = sshd
backend = polling
logpath = {PLACE}/auth.log
ignoreip = 0.0.0.0/0

[web]
enabled = true
filter = door
backend = polling
logpath = {PLACE}/auth.log
port = 80

[chain]
enabled = true
filter = door
backend = polling
logpath = {PLACE}/auth.log
port = 80
action = iptables-multiport[name=chain, port=80, protocol=tcp, chain=INPUT, native=no]
"""
PLANTED = {
    ("wrong-port", "sshd"),
    ("log-missing", "missing"),
    ("log-silent", "silent"),
    ("never-matches", "other"),
    ("time-zone", "zone"),
    ("log-unreadable", "locked"),
    ("clock", "tomorrow"),
    ("log-undated", "undated"),
    ("no-firewall", "rehearsal"),
    ("not-blocking", "datagrams"),
    ("ignores-everybody", "everybody"),
    ("container-port", "web"),
    ("container-chain", "chain"),
    ("own-session", ""),
    ("database", ""),
    ("daemon", ""),
}


def stamp(ahead: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + ahead))


def sick(town: Town) -> str:
    """Make a host on which nearly everything is wrong, and return the directory of its state."""
    root = town.server.lab.path(Path(PLACE))
    (root / "etc" / "filter.d").mkdir(parents=True)
    (root / "state").mkdir()
    (root / "state" / "banish.sqlite3").write_bytes(b"this was a database once " * 200)
    (root / "etc" / "jail.local").write_text(SICK.replace("[sshd]\n", f"[sshd]\nlogpath = {town.sshd.log_inside}\n"))
    (root / "etc" / "banish.local").write_text("[Definition]\nspare_sessions = no\n")
    (root / "etc" / "filter.d" / "door.conf").write_text("[Definition]\nfailregex = ^ no entry for <HOST>$\n")
    failed = "host sshd[7]: Failed password for root from 192.0.2.7 port 4711 ssh2\n"
    access = '192.0.2.7 - - [22/Nov/2026:12:50:52 +0000] "GET / HTTP/1.1" 200 612\n'
    logs = {
        "silent.log": f"{stamp()} {failed}",
        "access.log": access * 30,
        "zone.log": f"{stamp(7200)} {failed}" * 5,
        "locked.log": f"{stamp()} {failed}",
        "tomorrow.log": f"{stamp()} {failed}",
        "undated.log": "no entry for 192.0.2.7\n" * 9,
        "auth.log": f"{stamp()} {failed}",
    }
    for name, text in logs.items():
        (root / name).write_text(text)
    now = time.time()
    os.utime(root / "silent.log", (now, now - 9 * 86400))
    os.utime(root / "tomorrow.log", (now, now + 86400))
    (root / "locked.log").chmod(0)
    return f"{PLACE}/state"


@contextmanager
def docker_proxy(town: Town) -> Iterator[None]:
    """A process that looks like the one that publishes a container's port 80 as 8080."""
    words = f"exec -a docker-proxy {sys.executable} -c 'import time; time.sleep(100)' -proto tcp -host-ip 0.0.0.0 "
    process = town.server.popen(["bash", "-c", f"{words} -host-port 8080 -container-ip 172.17.0.2 -container-port 80"])
    try:
        yield
    finally:
        town.server.end(process)


def examined(town: Town, *words: str, **more: Any) -> tuple[int, Any]:
    banish = [sys.executable, "-m", "banish.cli.banish", "doctor", "--json"]
    # Without these two, root is nobody who may read what is not his to read: as a daemon whose unit is too tight.
    tight = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = town.server.run([*tight, *banish, *words], check=False, **more)
    return done.returncode, json.loads(done.stdout)


def test_a_sick_host_has_each_of_its_ailments_found(town: Town, attacker: str) -> None:
    state = sick(town)
    with docker_proxy(town):
        code, report = examined(
            town,
            *("--config", f"{PLACE}/etc", "--state", state, "--socket", f"{PLACE}/none.sock"),
            environment={"SSH_CONNECTION": f"{attacker} 4711 192.0.2.1 22"},
        )
    found = {(each["check"], each["jail"]) for each in report["findings"]}
    assert found == PLANTED, report
    assert all(each["text"] and each["remedy"] for each in report["findings"])
    assert (code, report["skipped"]) == (1, [])
    said = {each["check"]: each["text"] for each in report["findings"]}
    assert attacker in said["own-session"]
    assert "IPv4 and IPv6" in said["not-blocking"]


def test_a_healthy_host_is_told_nothing(town: Town, attacker: str) -> None:
    with Daemon(town.server, jail_local(town)) as daemon:
        attack(town, attacker, 3)
        daemon.wait_for_log(f"NOTICE  [sshd] Ban {attacker}")
        inside = daemon.database.parent.parent
        code, report = examined(
            town,
            *(
                "--config",
                str(inside / "etc"),
                "--state",
                str(inside / "state"),
                "--socket",
                str(inside / "sock"),
            ),
            environment={"SSH_CONNECTION": "192.0.2.7 4711 192.0.2.1 22"},
        )
        assert (code, report) == (0, {"findings": [], "skipped": [], "jails": ["sshd"]})
