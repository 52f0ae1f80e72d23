"""How long a question takes: from a cold start of the client to its last word, and inside a daemon with many jails and bans.

    python -m bench.client fill DATABASE JAILS BANS       fills a database, as the daemon would have left it
    python -m bench.client ask SOCKET RUNS                asks again and again; prints the seconds of each way to ask

fail2ban's client asks the same daemon the same things, so that only the clients differ.
"""

from __future__ import annotations

import json
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from banish.addresses import network_of, show
from banish.model import Decision
from banish.store.database import Store
from bench.restart import FIRST
from bench.table import BenchError, Row
from lab.daemon import Daemon
from lab.namespaces import Lab

JAILS, BANS = 100, 100_000
_BANISH = "import sys; from banish.cli.banish import main; sys.exit(main())"
"""What the program ``banish`` consists of, as it is installed."""
_END = b"<F2B_END_COMMAND>"
_JAIL = "[jail{number}]\nenabled = true\nfilter = sshd\nlogpath = {log}\naction = nftables[type=allports]\n"


def measure(lab: Lab, runs: int) -> list[Row]:
    """Return the rows of a daemon with JAILS jails and BANS bans."""
    host = lab.host("client")
    log = lab.directory / "client.log"
    lab.path(log).write_bytes(b"")
    jails = "[sshd]\nenabled = false\n" + "".join(_JAIL.format(number=number, log=log) for number in range(JAILS))
    daemon = Daemon(host, jails, name="client")
    host.run([sys.executable, "-m", "bench.client", "fill", daemon.database, str(JAILS), str(BANS)], timeout=300)
    with daemon:
        socket_ = daemon.client_command()[daemon.client_command().index("--socket") + 1]
        said = host.run([sys.executable, "-m", "bench.client", "ask", socket_, str(runs)], timeout=600).stdout
    found: dict[str, list[float]] = json.loads(said)
    many = f"{JAILS} jails and {BANS:,} bans"

    def row(what: str, name: str, theirs: str = "", unit: str = "ms") -> Row:
        return Row(what, unit, found[name], found.get(theirs, ()), part="client")

    bare = Row("the bare interpreter, for comparison", "ms", found["python"], part="client")
    times = [ours / python for ours, python in zip(found["status"], found["python"], strict=True)]
    return [
        bare,
        row(f"banish status from a cold start, {many}", "status", "fail2ban status"),
        Row("banish status, in starts of the bare interpreter", "x", times, part="client"),
        row(f"status of all jails, inside the daemon, {many}", "asked"),
        row("status of one jail with its bans, inside the daemon", "asked one"),
        row("the same in fail2ban's dialect", "asked fail2ban"),
        row(f"banish banned, all {BANS:,}", "banned", "fail2ban banned"),
        row("banned, until the first row has come", "first row"),
    ]


def main() -> None:
    what, *words = sys.argv[1:]
    if what == "fill":
        _fill(Path(words[0]), int(words[1]), int(words[2]))
    else:
        print(json.dumps(_ask(words[0], int(words[1]))))


def _ask(path: str, runs: int) -> dict[str, list[float]]:
    banish = [sys.executable, "-c", _BANISH, "--socket", path]
    ways: dict[str, Callable[[], float]] = {
        "python": lambda: _run([sys.executable, "-c", "pass"]),
        "status": lambda: _run([*banish, "status"]),
        "asked": lambda: _answered(path, b'{"command":"status"}\n', b"\n"),
        "asked one": lambda: _answered(path, b'{"command":"status","arguments":{"jail":"jail7"}}\n', b"\n"),
        "asked fail2ban": lambda: _answered(path, pickle.dumps(["status", "jail7"]) + _END, _END),
        "banned": lambda: _run([*banish, "banned"]),
        "first row": lambda: _answered(path, b'{"command":"banned"}\n', b""),
    }
    if shutil.which("fail2ban-client"):
        ways["fail2ban status"] = lambda: _run(["fail2ban-client", "-s", path, "status"])
        ways["fail2ban banned"] = lambda: _run(["fail2ban-client", "-s", path, "banned"])
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # what is read for the first time comes from the disk
    for _ in range(max(runs, 3)):
        for name, way in ways.items():
            found[name].append(way() * 1000)
    return found


def _run(argv: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise BenchError(f"{' '.join(argv)}: {done.stderr.decode()}")
    return took


def _answered(path: str, request: bytes, end: bytes) -> float:
    """Seconds until the reply has come whole, or begun when there is no *end*."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        began = time.perf_counter()
        connection.sendall(request)
        heard = connection.recv(1 << 20)
        while end and not heard.endswith(end):
            heard = heard[-len(end) :] + connection.recv(1 << 20)
        return time.perf_counter() - began


def _fill(path: Path, jails: int, bans: int) -> None:
    now = time.time()
    store = Store.open(path, now)
    networks = (network_of((FIRST + number).to_bytes(4, "big")) for number in range(bans))
    store.save(
        [
            Decision(f"jail{number % jails}", show(network), network, now - 60, now + 36_000, reason="5 failures in 4s")
            for number, network in enumerate(networks)
        ],
        now=now,
    )
    store.close()


if __name__ == "__main__":
    main()
