"""What an entry of the systemd journal costs until it is a line that a filter can judge (CPU time).

A journald of the laboratory keeps sixty thousand entries of four services, of which one is matched, and in another row what an
sshd writes that has a process for each of its sessions. Ours is `JournalSource`, as the daemon uses it; fail2ban's is Debian's
python3-systemd, driven as fail2ban drives it, and the line that its filter makes of an entry. Each run is a process of its own, in
the same interpreter. Both sides must have made the same lines, in the same order, or there is no row.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.sides import ROOT, fail2ban_python
from bench.table import BenchError, Row
from lab.journald import Journald, Service, can_run
from lab.namespaces import Host, Lab, LabError

_SERVICES = ("sshd", "cron", "postfix", "nginx")
_LAST = "this is the last one"
_EACH = 4
"""Entries of a session."""
_SESSIONS = """
import os, socket, sys, time
for session in range(int(sys.argv[1])):
    if os.fork() == 0:
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        journal.connect("/run/systemd/journal/socket")
        words = f"SYSLOG_IDENTIFIER=sshd\\nPRIORITY=6\\nSYSLOG_FACILITY=10\\nSYSLOG_PID={os.getpid()}"
        for port in range(int(sys.argv[2])):
            text = f"Failed password for invalid user u{session} from 192.0.2.{session % 250} port {session * 4 + port} ssh2"
            journal.send(f"MESSAGE={text}\\n{words}\\nSYSLOG_TIMESTAMP={time.strftime('%b %d %H:%M:%S ')}\\n".encode())
        os._exit(0)
    os.wait()
"""


def measure(lab: Lab, runs: int, quick: bool) -> list[Row]:
    """Return the rows of the part *journal*. Raises LabError without journald, BenchError without python3-systemd."""
    reason = can_run()
    if reason is not None:
        raise LabError(reason)
    count = 6_000 if quick else 60_000
    host = lab.host("journal")
    four = _costs(lab, host, runs, lambda: _four_services(host, count))
    sessions = _costs(lab, host, runs, lambda: _sessions(host, count))
    return [
        Row("an entry that is matched, to a line", "us", *four, part="journal"),
        Row(f"the same, a process for every {_EACH}", "us", *sessions, part="journal"),
    ]


def _costs(lab: Lab, host: Host, runs: int, write: Callable[[], int]) -> tuple[list[float], list[float]]:
    """Return what an entry costs us, and what it costs fail2ban, run by run; *write* returns how many are matched."""
    with Journald(lab, host) as journald:
        expected = write()
        _end(journald, host)
        ours = [sys.executable, "-m", "bench.read_journal_with_banish", str(journald.files)]
        theirs = [fail2ban_python(), str(ROOT / "bench" / "read_journal_with_fail2ban.py"), str(journald.files)]
        mine, other = _run([*ours, "record"]), _run([*theirs, "record"])
        if mine["lines"] != other["lines"] or len(mine["lines"]) != expected + 1:
            raise BenchError(f"journal: {len(mine['lines'])} and {len(other['lines'])} lines are not the same")
        entries = len(mine["lines"])
        costs = [(_run(ours)["seconds"], _run(theirs)["seconds"]) for _ in range(runs)]
    return [ours / entries * 1e6 for ours, _ in costs], [theirs / entries * 1e6 for _, theirs in costs]


def _four_services(host: Host, count: int) -> int:
    with contextlib.ExitStack() as started:
        services = [started.enter_context(Service(host, name)) for name in _SERVICES]
        for number in range(count):
            where = f"from 192.0.2.{number % 250} port {number % 60000} ssh2"
            services[number % len(services)].say(f"Failed password for invalid user user{number} {where}")
    return count // len(services)


def _sessions(host: Host, count: int) -> int:
    sessions = count // len(_SERVICES) // _EACH
    written = host.popen([sys.executable, "-c", _SESSIONS, str(sessions), str(_EACH)])
    if written.wait() != 0:
        raise BenchError("journal: the sessions could not be written")
    return sessions * _EACH


def _end(journald: Journald, host: Host) -> None:
    """Write the last entry, and return when it can be read."""
    with Service(host, "sshd") as service:
        service.say(_LAST)
    deadline = time.monotonic() + 60
    words = ["journalctl", f"--directory={journald.files}", "--output=cat", "--lines=1"]
    while _LAST not in subprocess.run(words, check=False, capture_output=True, text=True).stdout:
        if time.monotonic() > deadline:
            raise BenchError("journal: journald does not come to an end")
        time.sleep(0.1)


def _run(argv: list[str]) -> dict[str, Any]:
    environment = os.environ if "-m" in argv else {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv[:3]))}: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
