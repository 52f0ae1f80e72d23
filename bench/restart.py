"""How long a restart leaves the door open: from starting banishd to the bans of its database in force; and its memory.

    python -m bench.restart fill DATABASE BANS      fills a database, as the daemon would have left it
    python -m bench.restart lift BANS COMMAND ...   runs a command that lifts all bans; prints seconds until none is in force

fail2ban has no row of its own here: it runs a command for every ban it restores, so that the row of a single ban tells.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from banish.addresses import network_of, show
from banish.enforcement import rules
from banish.enforcement.layout import AddressSet
from banish.enforcement.netlink import Netlink, Refused
from banish.model import Decision
from banish.store.database import Store
from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Host, Lab

BANS = (100_000, 500_000)
FIRST = 0xC6120000  # 198.18.0.0/15 (RFC 2544) and what follows
_JAIL = "[sshd]\nenabled = true\nlogpath = {log}\n"
_HEAD = 8192
"""Bytes of the log in which everything stands that is said before the restored bans are told one by one."""


class Start(NamedTuple):
    """What a start took, and lifting all bans after it."""

    seconds: float
    """Until all are in force."""
    memory: float = 0.0
    """Megabytes, afterwards."""
    peak: float = 0.0
    lifted: float = 0.0
    """Seconds until none is in force."""
    answered: float = 0.0
    """Seconds until the command has answered."""


def measure(lab: Lab, runs: int) -> list[Row]:
    """Return the rows: without bans, and with as many as BANS says."""
    rows = []

    def add(what: str, unit: str, values: list[float]) -> None:
        rows.append(Row(what, unit, values, part="restart"))

    for bans in (0, *BANS):
        found = [_start(lab, f"start-{bans}-{run}", bans) for run in range(runs)]
        seconds = [start.seconds for start in found]
        if not bans:
            add("a start of banishd without bans, until it watches", "s", seconds)
            continue
        what = f"a start of banishd with {bans:,} bans"
        add(f"{what}, until all are in force", "s", seconds)
        add(f"{what}: memory (RSS) afterwards", "MB", [start.memory for start in found])
        add(f"{what}: memory (RSS) at most", "MB", [start.peak for start in found])
        what = f"banish unban --all of {bans:,}"
        add(f"{what}, until none is in force", "s", [start.lifted for start in found])
        add(f"{what}, until it has answered", "s", [start.answered for start in found])
    return rows


def filled(lab: Lab, host: Host, name: str, bans: int, options: str = "") -> Daemon:
    """Return a daemon, not yet started, whose database holds *bans*; its jail watches NAME.log and has *options* as well."""
    log = lab.directory / f"{name}.log"
    lab.path(log).write_bytes(b"")
    daemon = Daemon(host, _JAIL.format(log=log) + options, name=name)
    host.run([sys.executable, "-m", "bench.restart", "fill", daemon.database, str(bans)], timeout=300)
    return daemon


def _start(lab: Lab, name: str, bans: int) -> Start:
    host = lab.host(name)
    daemon = filled(lab, host, name, bans)
    began = time.perf_counter()
    process = host.popen(daemon.command())
    try:
        _wait(process, "Jail 'sshd' started", lambda: b"Jail 'sshd' started" in _head(daemon.log))
        seconds = time.perf_counter() - began
        if bans and b"bans put in force: %d" % bans not in _head(daemon.log):
            raise BenchError("not all bans came into force")
        if not bans:
            return Start(seconds)
        _wait(process, "the log of the restored bans", lambda: daemon.log.read_text().count("Restore Ban") == bans)
        memory, peak = _memory(host.pid(process))
        lift = [sys.executable, "-m", "bench.restart", "lift", str(bans), *daemon.client_command("unban", "--all")]
        lifted, answered = map(float, host.run(lift, timeout=120).stdout.split())
    finally:
        host.end(process)
    return Start(seconds, memory, peak, lifted, answered)


def _wait(process: subprocess.Popen[bytes], what: str, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        if process.poll() is not None:
            raise BenchError(f"banishd ended while {what} was waited for")
        if time.monotonic() > deadline:
            raise BenchError(f"{what} was waited for in vain")
        time.sleep(0.005)


def _head(log: Path) -> bytes:
    if not log.exists():
        return b""
    with log.open("rb") as file:
        return file.read(_HEAD)


def _memory(pid: int) -> tuple[float, float]:
    """Return what process *pid* has in memory now, and had at most, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in status if line.startswith(("VmRSS", "VmHWM"))}
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


def main() -> None:
    what, *words = sys.argv[1:]
    if what == "fill":
        _fill(Path(words[0]), int(words[1]))
    else:
        _lift(int(words[0]), words[1:])


def _lift(bans: int, command: list[str]) -> None:
    """Ask the kernel for the last ban, again and again, while *command* runs: that it goes is one transaction for all."""
    link = Netlink()
    last = network_of((FIRST + bans - 1).to_bytes(4, "big"))
    request = rules.element_request(AddressSet("sshd", 4, 32), last.packed)
    began = time.perf_counter()
    lifting = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    lifted = 0.0
    while not lifted:
        try:
            link.get(rules.NFT_MSG_GETSETELEM, rules.NFTA_SET_ELEM_LIST_ELEMENTS, "find the last ban", request)
        except Refused:
            lifted = time.perf_counter() - began
        if lifting.poll() is not None and not lifted:
            raise BenchError("the bans were not lifted")
        time.sleep(0.005)
    if lifting.wait() != 0:
        raise BenchError("the bans were not all lifted")
    print(lifted, time.perf_counter() - began)


def _fill(path: Path, bans: int) -> None:
    now = time.time()
    with_lines = tuple(
        f"Mar  2 00:00:0{number} host sshd[{number}]: Failed password for root from 198.18.0.1 port 4711 ssh2"
        for number in range(5)
    )
    fields = {"ip4": "198.18.0.1", "user": "root", "mlfid": "host sshd[1]: ", "users": ["root"]}
    store = Store.open(path, now)
    store.save(
        [
            Decision(
                "sshd",
                show(network),
                network,
                now - 60,
                now + 3600 + number / 100,
                reason="5 failures in 4s",
                failures=5,
                matches=with_lines,
                fields=fields,
            )
            for number, network in enumerate(network_of((FIRST + each).to_bytes(4, "big")) for each in range(bans))
        ],
        now=now,
    )
    store.close()


if __name__ == "__main__":
    main()
