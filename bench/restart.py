"""How long a restart leaves the door open: from starting banishd to the bans of its database in force.

    python -m bench.restart DATABASE BANS      fills a database, as the daemon would have left it

fail2ban has no row of its own here: it runs a command for every ban it restores, so that the row of a single ban tells.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from banish.addresses import network_of, show
from banish.model import Decision
from banish.store.database import Store
from bench.live import wait_until
from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Lab

BANS = 100_000
_JAIL = "[sshd]\nenabled = true\nlogpath = {log}\n"


def measure(lab: Lab, runs: int) -> list[Row]:
    """Return the rows: with BANS bans in the database, and with none."""
    full, empty = [], []
    for run in range(runs):
        empty.append(_start(lab, f"empty-{run}", 0))
        full.append(_start(lab, f"full-{run}", BANS))
    return [
        Row("a start of banishd without bans, until it watches", "s", empty),
        Row(f"a start of banishd with {BANS:,} bans, until all are in force", "s", full),
    ]


def _start(lab: Lab, name: str, bans: int) -> float:
    host = lab.host(name)
    log = lab.directory / f"{name}.log"
    lab.path(log).write_bytes(b"")
    daemon = Daemon(host, _JAIL.format(log=log), name=name)
    host.run([sys.executable, "-m", "bench.restart", daemon.database, str(bans)], timeout=120)
    began = time.perf_counter()
    process = host.popen(daemon.command())
    try:
        wait_until(daemon.log, "Jail 'sshd' started")
        seconds = time.perf_counter() - began
        if bans and f"bans put in force: {bans}" not in daemon.log.read_text():
            raise BenchError("not all bans came into force")
    finally:
        host.end(process)
    return seconds


def main() -> None:
    path, bans = Path(sys.argv[1]), int(sys.argv[2])
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
            for number, network in enumerate(network_of((0xC6120000 + each).to_bytes(4, "big")) for each in range(bans))
        ],
        now=now,
    )
    store.close()


if __name__ == "__main__":
    main()
