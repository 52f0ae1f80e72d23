"""Both daemons at work, each on a host of its own with logs of its own, started as its package would start it but for the paths."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.sides import THEIRS, fail2ban_python
from bench.table import BenchError
from lab.daemon import Daemon
from lab.namespaces import Host, Lab

_DEFAULTS = """
[DEFAULT]
ignoreself = false
maxretry = {retries}
bantime = 1h
usedns = no
backend = auto
port = 22
protocol = tcp
action = nftables[port="22", protocol="tcp"]
"""
_THEIR_SERVER = """
[Definition]
loglevel = INFO
logtarget = {place}/fail2ban.log
syslogsocket = auto
socket = {place}/fail2ban.sock
pidfile = {place}/fail2ban.pid
dbfile = {place}/fail2ban.sqlite3
dbmaxmatches = 10
dbpurgeage = 1d
allowipv6 = auto
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Contender:
    """A daemon that runs, and the log of its first jail, as processes inside name it."""

    name: str
    host: Host
    pid: int
    log: Path
    counts: Callable[[str], tuple[int, int]]
    """How many failures and bans it has counted in a jail since its start."""

    def cpu(self) -> float:
        """CPU seconds that its threads have used so far (proc(5), ``schedstat``: nanoseconds on the CPU come first)."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def cpu_of_children(self) -> float:
        """CPU seconds of the commands that it has run and waited for, to a hundredth (proc(5), ``stat``: cutime, cstime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[13:15])) / _TICKS

    def memory(self) -> float:
        """Resident memory, MiB."""
        found = Path(f"/proc/{self.pid}/status").read_text().split("VmRSS:")[1].split()
        return int(found[0]) / 1024


@contextmanager
def banish(lab: Lab, jails: Sequence[str], retries: int, *, name: str = "banish") -> Generator[Contender]:
    """Run banishd with *jails*: each has the filter of its name and a log of its own; our filter, or fail2ban's when there are many."""
    host = lab.host(name)
    logs = _new_logs(lab, name, jails)
    daemon = Daemon(host, _jails(logs, retries), name=f"{name}-daemon")
    if len(jails) > 1:
        lab.path(lab.directory / f"{name}-daemon" / "etc" / "filter.d").symlink_to(THEIRS)

    def counts(jail: str) -> tuple[int, int]:
        (status,) = (each for each in daemon.ask("status", jail)["jails"] if each["name"] == jail)
        return status["failed_total"], status["banned_total"]

    with daemon:
        for jail in jails:
            wait_until(daemon.log, f"Jail '{jail}' started", whole=True)
        yield Contender("banishd", host, host.pid(daemon.process), logs[jails[0]], counts)


@contextmanager
def fail2ban(lab: Lab, jails: Sequence[str], retries: int, *, name: str = "fail2ban") -> Generator[Contender]:
    """Run fail2ban's server with *jails*: each has the filter of its name and a log of its own."""
    host = lab.host(name)
    logs = _new_logs(lab, name, jails)
    place = lab.directory / f"{name}-server"
    outside = lab.path(place)
    outside.mkdir()
    (outside / "filter.d").symlink_to(THEIRS)
    (outside / "action.d").symlink_to(THEIRS.parent / "action.d")
    (outside / "fail2ban.conf").write_text(_THEIR_SERVER.format(place=place))
    (outside / "jail.conf").write_text(_jails(logs, retries))

    def counts(jail: str) -> tuple[int, int]:
        said = host.run(["fail2ban-client", "-c", str(place), "status", jail]).stdout
        failed, banned = (re.search(rf"Total {what}:\s*(\d+)", said) for what in ("failed", "banned"))
        if failed is None or banned is None:
            raise BenchError(f"fail2ban-client status {jail}: {said}")
        return int(failed[1]), int(banned[1])

    server = host.popen(
        [fail2ban_python(), "/usr/bin/fail2ban-server", "-f", "-c", place, "start"],
        stdout=subprocess.DEVNULL,
        environment={"PYTHONPATH": ""},
    )
    try:
        for jail in jails:
            wait_until(outside / "fail2ban.log", f"Jail '{jail}' started", whole=True)
        yield Contender("fail2ban", host, host.pid(server), logs[jails[0]], counts)
    finally:
        host.end(server)


@contextmanager
def helper(contender: Contender, module: str) -> Generator[subprocess.Popen[bytes]]:
    """Run ``python -m`` *module* with the contender's log beside it; it takes orders on its standard input."""
    process = contender.host.popen(
        [sys.executable, "-m", module, contender.log], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        contender.host.end(process)


def order(process: subprocess.Popen[bytes], words: object) -> bytes:
    """Write one order, as JSON, and return the line that answers it; empty when the helper has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(words).encode() + b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def wait_until(log: Path, text: str, timeout: float = 60.0, *, whole: bool = False) -> None:
    """Wait until *text* stands among the last lines of *log*, or anywhere in it (*whole*)."""
    deadline = time.monotonic() + timeout
    while True:
        if log.exists():
            with log.open("rb") as file:
                file.seek(0 if whole else max(0, log.stat().st_size - 4096))
                if text.encode() in file.read():
                    return
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout:g} s for {text!r} in {log.name}")
        time.sleep(0.005)


def _jails(logs: dict[str, Path], retries: int) -> str:
    told = "".join(f"\n[{name}]\nenabled = true\nfilter = {name}\nlogpath = {log}\n" for name, log in logs.items())
    return _DEFAULTS.format(retries=retries) + told


def _new_logs(lab: Lab, name: str, jails: Sequence[str]) -> dict[str, Path]:
    directory = lab.directory / f"{name}-logs"
    lab.path(directory).mkdir()
    logs = {jail: directory / f"{jail}.log" for jail in jails}
    for log in logs.values():
        lab.path(log).write_bytes(b"")
    return logs
