"""What files cost that nobody needs to read: the old part of a long log at a first start, and five hundred logs at rest.

fail2ban has no row here: neither is a comparison, but what banish promises.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Host, Lab

FINDTIME = 600
RATE = 2000
"""Lines a second in the long log."""
ATTACKER, FORMER = "198.51.100.7", "198.51.100.8"
FILES, JAILS = 500, 100
_LONG = f"[sshd]\nenabled = true\nlogpath = {{log}}\nfindtime = {FINDTIME}\nmaxretry = 3\nbantime = 1h\n"


def measure(lab: Lab, runs: int, quick: bool) -> list[Row]:
    """Return the rows of the part *sources*."""
    return [
        *_first_start(lab, 1 if quick else runs, (1 << 26) if quick else 2 * 10**9),
        *_at_rest(lab, 5 if quick else 30),
    ]


def _first_start(lab: Lab, runs: int, size: int) -> list[Row]:
    host = lab.host("first-start")
    starts = [start_on_a_long_log(host, size) for _ in range(runs)]
    what = f"first start on a log of {size / 1e9:.1f} GB"
    return [
        Row(f"{what}: watching", "s", [watching for watching, _ in starts], part="sources"),
        Row(
            f"{what}: who attacked in the last {FINDTIME} s is banned",
            "s",
            [banned for _, banned in starts],
            part="sources",
        ),
    ]


def start_on_a_long_log(host: Host, size: int) -> tuple[float, float]:
    """Return the seconds from starting banishd to watching a log of *size* bytes, and to the ban that its last lines ask for.

    Raises BenchError when it is not watching from findtime ago on.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        log = Path(place) / "long.log"
        write_long_log(log, size, time.time())
        return _start_on(Daemon(host, _LONG.format(log=log)), log, size)


def _start_on(daemon: Daemon, log: Path, size: int) -> tuple[float, float]:
    began = time.time()
    try:
        daemon.start()
        watching = daemon.wait_for_log("Jail 'sshd' started") - began
        with log.open("a") as still:  # what is written now is judged too
            still.write(_line(time.time(), f"Failed password for root from {ATTACKER} port 22 ssh2"))
        daemon.wait_for("the ban", lambda: [row["network"] for row in daemon.ask("banned")], timeout=120)
        banned = time.time() - began
        (jail,) = daemon.ask("status", "sshd")["jails"]
        (source,) = jail["sources"]
        if jail["banned"] != [ATTACKER] or source["bytes"] > max(size / 2, 2 * FINDTIME * RATE * 130):
            raise BenchError(f"bans {jail['banned']}, {source['bytes']} bytes of {size} were read")
    finally:
        daemon.stop()
    return watching, banned


def write_long_log(path: Path, size: int, now: float) -> None:
    """Write a log of *size* bytes whose last line is of *now*; FORMER attacked before the findtime, ATTACKER within it."""
    other = _line(0.0, "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0) and closed again")
    rest = other.split(" ", 1)[1]
    seconds = max(FINDTIME * 2, size // (len(other) * RATE))
    rate = max(1, size // (len(other) * seconds))
    first = int(now) - seconds
    with path.open("w", buffering=1 << 22) as log:
        for second in range(seconds):
            log.write(f"{_stamp(first + second)} {rest}" * rate)
            if second == seconds // 4:
                log.write(_line(first + second, f"Failed password for root from {FORMER} port 22 ssh2") * 5)
            if second == seconds - FINDTIME // 2:
                log.write(_line(first + second, f"Failed password for root from {ATTACKER} port 22 ssh2") * 2)


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(at))


def _line(at: float, message: str) -> str:
    return f"{_stamp(at)} host sshd[4711]: {message}\n"


def _at_rest(lab: Lab, seconds: float) -> list[Row]:
    used, beyond = at_rest(lab, lab.host("at-rest"), seconds)
    what = f"{FILES} logs in {JAILS} jails"
    return [
        Row(f"{what}: CPU when idle, over {seconds:g} s", "% of a core", [used], part="sources"),
        Row(f"{what}: descriptors beyond one a log", "", [beyond], part="sources"),
    ]


def at_rest(lab: Lab, host: Host, seconds: float) -> tuple[float, int]:
    """Return the CPU (per cent of a core) of a daemon that watches FILES logs in JAILS jails at rest, and its descriptors but FILES."""
    place = lab.directory / "logs"
    lab.path(place).mkdir()
    each = FILES // JAILS
    for number in range(FILES):
        lab.path(place / f"{number // each}-{number % each}.log").write_text(_line(time.time() - 1e6, "nothing"))
    jails = (f"[j{jail}]\nenabled = true\nfilter = sshd\nlogpath = {place}/{jail}-*.log\n" for jail in range(JAILS))
    with Daemon(host, "".join(jails)) as daemon:
        daemon.wait_for("all files to be read", lambda: _judged(daemon) == FILES, timeout=300)
        time.sleep(3)  # until it is at rest
        descriptors = len(os.listdir(f"/proc/{host.pid(daemon.process)}/fd"))
        before = _cpu(host.pid(daemon.process))
        time.sleep(seconds)
        used = (_cpu(host.pid(daemon.process)) - before) / seconds * 100
        daemon.stop()
    return used, descriptors - FILES


def _judged(daemon: Daemon) -> int:
    time.sleep(0.5)
    return sum(source["lines"] for jail in daemon.ask("status")["jails"] for source in jail["sources"])


def _cpu(process: int) -> float:
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
