"""What an entry of the systemd journal costs until it is a line that a filter can judge (CPU time).

A journald of the laboratory keeps thirty thousand entries of four services; one of them is matched. Ours is `JournalSource`, as the
daemon uses it; fail2ban's is Debian's python3-systemd, driven as fail2ban drives it, and the line that its filter makes of an
entry. Each run is a process of its own. Both sides must have made the same lines, in the same order, or there is no row.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.sides import ROOT, fail2ban_python
from bench.table import BenchError, Row
from lab.journald import Journald, Service, can_run
from lab.namespaces import Host, Lab, LabError

_SERVICES = ("sshd", "cron", "postfix", "nginx")
_LAST = "this is the last one"


def measure(lab: Lab, runs: int, quick: bool) -> list[Row]:
    """Return the rows of the part *journal*. Raises LabError without journald, BenchError without python3-systemd."""
    reason = can_run()
    if reason is not None:
        raise LabError(reason)
    count = 6_000 if quick else 30_000
    host = lab.host("journal")
    with Journald(lab, host) as journald:
        _fill(journald, host, count)
        ours = [sys.executable, "-m", "bench.read_journal_with_banish", str(journald.files)]
        theirs = [fail2ban_python(), str(ROOT / "bench" / "read_journal_with_fail2ban.py"), str(journald.files)]
        mine, other = _run([*ours, "record"]), _run([*theirs, "record"])
        if mine["lines"] != other["lines"] or len(mine["lines"]) != count // len(_SERVICES) + 1:
            raise BenchError(f"journal: {len(mine['lines'])} and {len(other['lines'])} lines are not the same")
        entries = len(mine["lines"])
        costs = [(_run(ours)["seconds"], _run(theirs)["seconds"]) for _ in range(runs)]
    per_entry = [tuple(seconds / entries * 1e6 for seconds in pair) for pair in costs]
    what = "an entry that is matched, to a line"
    return [Row(what, "us", [ours for ours, _ in per_entry], [theirs for _, theirs in per_entry], "journal")]


def _fill(journald: Journald, host: Host, count: int) -> None:
    with contextlib.ExitStack() as started:
        services = [started.enter_context(Service(host, name)) for name in _SERVICES]
        for number in range(count):
            where = f"from 192.0.2.{number % 250} port {number % 60000} ssh2"
            services[number % len(services)].say(f"Failed password for invalid user user{number} {where}")
        services[0].say(_LAST)
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
