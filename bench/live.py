"""Both daemons at work at the same time: line to ban, the CPU time of lines that are appended, of idling, and memory.

A line is written by the stopwatch (``bench.stopwatch``) in their network namespace, to one after the other in turn; many lines
by the feeder (``bench.feeder``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from subprocess import Popen

from bench.daemons import Contender, banish, fail2ban, helper, order, wait_until
from bench.lines import SYSLOG_JAILS
from bench.restart import filled
from bench.table import BenchError, Row
from lab.namespaces import Lab

RETRIES = 3
RATE, THEIR_RATE, MODEST_RATE = 20_000, 5_000, 1_000
"""Lines a second; fail2ban gets what it can follow on slower machines too."""
SHARE = 0.01
MANY = 50
CROWD = 100_000
SETTLE = 5.0
PATIENCE = 120.0


def latency(lab: Lab, bans: int, idle: float) -> list[Row]:
    """Return the rows for line to ban, idle CPU with one jail (over *idle* seconds) and memory."""
    with (
        banish(lab, ["sshd"], RETRIES) as ours,
        fail2ban(lab, ["sshd"], RETRIES) as theirs,
        helper(ours, "bench.stopwatch") as our_watch,
        helper(theirs, "bench.stopwatch") as their_watch,
    ):
        both = ((ours, our_watch), (theirs, their_watch))
        for contender, watch in both:
            _ban(contender, watch, "198.51.100.1")  # the first one makes fail2ban set up its table
        mine: list[float] = []
        other: list[float] = []
        for number in range(bans):
            for (contender, watch), times in zip(both, (mine, other), strict=True):
                times.append(_ban(contender, watch, f"198.18.{number // 250}.{1 + number % 250}"))
        time.sleep(1)
        used = _idle(ours, theirs, idle)
        memory = ours.memory(), theirs.memory()
    return [
        Row("line to ban, median", "ms", mine, other, "live"),
        Row("line to ban, 99th percentile", "ms", [_percentile(mine, 99)], [_percentile(other, 99)], "live"),
        Row(f"memory after {bans} bans (RSS)", "MiB", [memory[0]], [memory[1]], "live"),
        Row(f"CPU when idle, 1 jail, over {idle:g} s", "% of a core", *used, "live"),
    ]


def crowded(lab: Lab, bans: int) -> list[Row]:
    """Return the rows for line to ban while CROWD bans are in force."""
    host = lab.host("crowded")
    daemon = filled(lab, host, "crowded", CROWD, f"maxretry = {RETRIES}\n")
    with daemon:
        wait_until(daemon.log, "Jail 'sshd' started", whole=True)
        time.sleep(SETTLE)  # until the log has told of every ban that was restored
        place = lab.directory / "crowded.log"
        contender = Contender("banishd", host, host.pid(daemon.process), place, lambda jail: (0, 0))
        with helper(contender, "bench.stopwatch") as watch:
            times = [
                _ban(contender, watch, f"{('192.0.2', '198.51.100')[number % 2]}.{1 + number // 2}")
                for number in range(bans)
            ]
    what = f"line to ban with {CROWD:,} bans in force"
    return [
        Row(f"{what}, median", "ms", times, part="live"),
        Row(f"{what}, 99th percentile", "ms", [_percentile(times, 99)], part="live"),
    ]


def appended(lab: Lab, runs: int, seconds: float) -> list[Row]:
    """Return the rows for the CPU time of a million lines that are appended for *seconds*, by rates, and memory then."""
    fast: list[float] = []
    slow: tuple[list[float], list[float]] = ([], [])
    modest: tuple[list[float], list[float]] = ([], [])
    with (
        banish(lab, ["sshd"], RETRIES, name="banish-fed") as ours,
        fail2ban(lab, ["sshd"], RETRIES, name="fail2ban-fed") as theirs,
        helper(ours, "bench.feeder") as our_feeder,
        helper(theirs, "bench.feeder") as their_feeder,
    ):
        for run in range(runs):
            fast.append(_feed(ours, our_feeder, RATE, seconds, 3 * run))
            for turn, rate, rows in ((1, THEIR_RATE, slow), (2, MODEST_RATE, modest)):
                rows[0].append(_feed(ours, our_feeder, rate, seconds, 3 * run + turn))
                rows[1].append(_feed(theirs, their_feeder, rate, seconds, 3 * run + turn))
        memory = ours.memory(), theirs.memory()
    percent = f"{SHARE:.0%} attack".replace("%", " %")
    return [
        Row(f"a million lines, {percent}: both at {MODEST_RATE:,}/s", "CPU s", *modest, "live"),
        Row(f"a million lines, {percent}: both at {THEIR_RATE:,}/s", "CPU s", *slow, "live"),
        Row(f"banish at {RATE:,}/s, fail2ban at {THEIR_RATE:,}/s", "CPU s", fast, slow[1], "live"),
        Row(f"memory after {runs} x {seconds:g} s of it (RSS)", "MiB", [memory[0]], [memory[1]], "live"),
    ]


def idle_with_many(lab: Lab, seconds: float) -> list[Row]:
    """Return the rows for idle CPU over *seconds*, and memory, with MANY jails on as many logs."""
    jails = SYSLOG_JAILS[:MANY]
    with (
        banish(lab, jails, RETRIES, name="banish-many") as ours,
        fail2ban(lab, jails, RETRIES, name="fail2ban-many") as theirs,
    ):
        time.sleep(SETTLE)
        used = _idle(ours, theirs, seconds)
        memory = ours.memory(), theirs.memory()
    return [
        Row(f"CPU when idle, {MANY} jails on {MANY} logs, over {seconds:g} s", "% of a core", *used, "live"),
        Row(f"memory when idle, {MANY} jails (RSS)", "MiB", [memory[0]], [memory[1]], "live"),
    ]


def _ban(contender: Contender, watch: Popen[bytes], address: str) -> float:
    """Have *address* banned, and return the milliseconds it took."""
    now = datetime.now()
    line = (
        f"{now:%b} {now.day:2d} {now:%H:%M:%S} host sshd[{{}}]: Failed password for root from {address} port 4711 ssh2"
    )
    pid = 1000 + int(time.monotonic() * 100) % 1_000_000
    said = order(watch, [line.format(pid + number) for number in range(RETRIES)])
    if not said:
        raise BenchError(f"{contender.name} did not ban {address}; the stopwatch said why on standard error")
    return float(said)


def _feed(contender: Contender, feeder: Popen[bytes], rate: int, seconds: float, turn: int) -> float:
    """Append lines, wait until all of them have been judged, and return the CPU seconds a million of them would take."""
    failed, banned = contender.counts("sshd")
    began = contender.cpu() + contender.cpu_of_children()
    answer = order(feeder, {"rate": rate, "seconds": seconds, "share": SHARE, "retries": RETRIES, "turn": turn})
    if not answer:
        raise BenchError(f"{contender.name}: the feeder ended; it said why on standard error")
    fed = json.loads(answer)
    wanted = failed + fed["failures"], banned + fed["bans"]
    deadline = time.monotonic() + PATIENCE
    time.sleep(1)
    while True:
        used = contender.cpu() + contender.cpu_of_children() - began  # without the question that follows
        counted = contender.counts("sshd")
        if counted == wanted:
            break
        if time.monotonic() > deadline or counted[0] > wanted[0] or counted[1] > wanted[1]:
            raise BenchError(f"{contender.name} counts {counted} failures and bans, and should {wanted}")
        time.sleep(0.2)
    lines: int = fed["lines"]
    return used / lines * 1e6


def _idle(ours: Contender, theirs: Contender, seconds: float) -> tuple[list[float], list[float]]:
    before = ours.cpu(), theirs.cpu()
    time.sleep(seconds)
    used = ours.cpu() - before[0], theirs.cpu() - before[1]
    return [used[0] / seconds * 100], [used[1] / seconds * 100]


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]
