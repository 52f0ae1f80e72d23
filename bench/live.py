"""Both daemons at work, each on a host of its own and at the same time: line to ban, idle CPU, memory, restart.

Each watches a log file of its own with its sshd jail, started as its package would start it but for the paths. A line is written
by the stopwatch (``bench.stopwatch``) in their network namespace, to one after the other in turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles

from bench.lines import fail2ban_python, fail2ban_server
from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Host, Lab

RETRIES = 3
_STOCK = Path("/etc/fail2ban")
_JAIL = """
[DEFAULT]
ignoreself = false
maxretry = {retries}
bantime = 1h
usedns = no

[sshd]
enabled = true
logpath = {log}
"""
_THEIR_JAIL = (
    _JAIL
    + """
backend = auto
filter = sshd
port = 22
protocol = tcp
action = nftables[port="22", protocol="tcp"]
"""
)
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


@dataclass(frozen=True, slots=True)
class _Contender:
    """A daemon under the stopwatch."""

    name: str
    pid: int
    watch: subprocess.Popen[bytes]

    def ban(self, address: str) -> float:
        """Have *address* banned, and return the milliseconds it took."""
        assert self.watch.stdin is not None
        assert self.watch.stdout is not None
        now = datetime.now()
        line = f"{now:%b} {now.day:2d} {now:%H:%M:%S} host sshd[{{}}]: Failed password for root from {address} port 4711 ssh2"
        pid = 1000 + int(time.monotonic() * 100) % 1_000_000
        lines = [line.format(pid + number) for number in range(RETRIES)]
        self.watch.stdin.write(json.dumps(lines).encode() + b"\n")
        self.watch.stdin.flush()
        said = self.watch.stdout.readline()
        if not said:
            raise BenchError(f"{self.name} did not ban {address}; the stopwatch said why on standard error")
        return float(said)

    def cpu(self) -> float:
        """CPU seconds that its threads have used so far (proc(5), ``schedstat``: nanoseconds on the CPU come first)."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def memory(self) -> float:
        """Resident memory, MiB."""
        found = Path(f"/proc/{self.pid}/status").read_text().split("VmRSS:")[1].split()
        return int(found[0]) / 1024


def measure(lab: Lab, bans: int, idle: float) -> list[Row]:
    """Return the rows for latency, idle CPU (over *idle* seconds) and memory."""
    with _banish(lab) as ours, _fail2ban(lab) as theirs:
        for contender in (ours, theirs):
            contender.ban("198.51.100.1")  # the first one makes fail2ban set up its table
        times = [
            (
                ours.ban(f"198.18.{number // 250}.{1 + number % 250}"),
                theirs.ban(f"198.18.{number // 250}.{1 + number % 250}"),
            )
            for number in range(bans)
        ]
        time.sleep(1)
        before = ours.cpu(), theirs.cpu()
        time.sleep(idle)
        used = ours.cpu() - before[0], theirs.cpu() - before[1]
        memory = ours.memory(), theirs.memory()
    mine, other = [one for one, _ in times], [two for _, two in times]
    return [
        Row("line to ban, median", "ms", mine, other),
        Row("line to ban, 99th percentile", "ms", [_percentile(mine, 99)], [_percentile(other, 99)]),
        Row(f"CPU of an idle daemon, over {idle:g} s", "%", [used[0] / idle * 100], [used[1] / idle * 100]),
        Row(f"memory after {bans} bans (RSS)", "MiB", [memory[0]], [memory[1]]),
    ]


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@contextmanager
def _banish(lab: Lab) -> Generator[_Contender]:
    host = lab.host("banish")
    log = _new_log(lab, "banish-auth.log")
    with Daemon(host, _JAIL.format(retries=RETRIES, log=log)) as daemon:
        daemon.wait_for_log("Jail 'sshd' started")
        with _stopwatch(host, log) as watch:
            yield _Contender("banishd", _pid(daemon.process), watch)


@contextmanager
def _fail2ban(lab: Lab) -> Generator[_Contender]:
    host = lab.host("fail2ban")
    log = _new_log(lab, "fail2ban-auth.log")
    place = lab.directory / "fail2ban"
    outside = lab.path(place)
    outside.mkdir()
    for name in ("filter.d", "action.d"):
        (outside / name).symlink_to(_STOCK / name)
    (outside / "fail2ban.conf").write_text(_THEIR_SERVER.format(place=place))
    (outside / "jail.conf").write_text(_THEIR_JAIL.format(retries=RETRIES, log=log))
    server = host.popen([fail2ban_python(), fail2ban_server(), "-f", "-c", place, "start"], stdout=subprocess.DEVNULL)
    try:
        wait_until(outside / "fail2ban.log", "Jail 'sshd' started")
        with _stopwatch(host, log) as watch:
            yield _Contender("fail2ban", _pid(server), watch)
    finally:
        host.end(server)


@contextmanager
def _stopwatch(host: Host, log: Path) -> Generator[subprocess.Popen[bytes]]:
    watch = host.popen([sys.executable, "-m", "bench.stopwatch", log], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield watch
    finally:
        host.end(watch)


def _pid(process: subprocess.Popen[bytes]) -> int:
    """Return the id of what *process* was started to be; where nsenter(1) started it, that stays behind as its parent."""
    pid = process.pid
    while Path(f"/proc/{pid}/comm").read_text() == "nsenter\n":
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return pid


def _new_log(lab: Lab, name: str) -> Path:
    inside = lab.directory / name
    lab.path(inside).write_bytes(b"")
    return inside


def wait_until(log: Path, text: str, timeout: float = 60.0) -> None:
    """Wait until *text* stands among the last lines of *log*."""
    deadline = time.monotonic() + timeout
    while True:
        if log.exists():
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - 4096))
                if text.encode() in file.read():
                    return
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout:g} s for {text!r} in {log.name}")
        time.sleep(0.005)
