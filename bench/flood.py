"""A flood: a crowd of addresses that fail once each, and among them some thousand who go on until they must be banned.

    python -m bench.flood [--ids 1000000] [--jails 1]

Ten minutes of log, by ``LineReader``, ``Subscription``, ``Jail`` and ``Ledger``, without a firewall and without a database. Half
of the addresses are IPv6. Prints the memory of the whole process at its peak, the CPU time, and the longest time that one
batch took, or one look at the clock in the silence afterwards, in which everything is forgotten. Fails when somebody was not
banned who failed often enough, when somebody else was, or when the memory is beyond MEMORY.

With several jails each judges every line; together they have room for ``crowd.IDS`` addresses, and beyond that only who fails
often enough within a share of the time can be told from the crowd. It is then said how many were.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from statistics import median

from banish.config.jails import load
from banish.decisions.ledger import Ledger
from banish.failures.crowd import IDS, Crowd
from banish.jail import Jail, JailSettings
from banish.lines.reader import LineReader
from banish.model import Decision
from banish.subscription import Subscription
from bench.corpus import BATCH, START
from bench.table import BenchError, Row

MEMORY = 300 << 20
"""Bytes that the process may take at its peak."""
SPAN = 590.0
"""Seconds of log, within findtime."""
_RETRIES = 5
_SHARED, _BENCHMARKS = int(IPv4Address("100.64.0.0")), int(IPv4Address("198.18.0.0"))
"""RFC 6598, four million addresses, for the crowd; RFC 2544 for those who go on."""
_CROWD, _PERSISTENT = int(IPv6Address("2001:db8:0:1::")), int(IPv6Address("2001:db8:0:2::"))
_JAIL = """
[sshd]
enabled = true
filter = sshd
logpath = /dev/null
backend = polling
findtime = 10m
bantime = 1d
maxretry = 5
"""


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of a flood, for each jail that saw it."""

    lines: int
    banned: dict[str, set[str]]
    batches: list[float]
    """Seconds of CPU time that each batch took."""
    ticks: list[float]
    """The same for each look at the clock in the silence afterwards."""
    remembered: int
    """Ids in all tables at the end of the flood."""


def settings() -> JailSettings:
    """Return those of an sshd jail with our filter: five failures in ten minutes."""
    with tempfile.TemporaryDirectory(prefix="banish-bench-") as name:
        (Path(name) / "jail.local").write_text(_JAIL)
        (config,) = load(Path(name), Path(str(resources.files("banish"))) / "data").jails
        return config.settings


def attackers(count: int) -> list[str]:
    """Return the addresses of those who must be banned."""
    return [_address(number, _BENCHMARKS, _PERSISTENT) for number in range(count)]


def flood(ids: int, persistent: Sequence[str], jails: Sequence[JailSettings], crowd: Crowd) -> Flood:
    """Let *ids* addresses fail once and *persistent* ones five times, all within SPAN seconds, in the sight of *jails*."""
    ledger, watching = Ledger(), [Jail(each, crowd=crowd) for each in jails]
    subscription = Subscription(LineReader(jails[0].lines, UTC), watching)
    batches: list[float] = []
    ticks: list[float] = []
    lines, now = 0, START
    for data, now in _batches(ids, persistent):
        lines += data.count(b"\n")
        began = time.process_time()
        for jail, share in subscription.shares(data, now):
            for event in jail.feed(share, now):
                if isinstance(event, Decision):
                    ledger.apply(event, now)
        batches.append(time.process_time() - began)
    remembered = sum(jail.failed_now for jail in watching)
    for _ in range(int(2 * SPAN) + 60):
        now += 0.5
        began = time.process_time()
        for jail in watching:
            jail.tick(now)
        ticks.append(time.process_time() - began)
    assert not any(jail.failed_now for jail in watching), "not everything is forgotten in the end"
    banned = {each.name: {decision.id for decision in ledger.of_jail(each.name)} for each in jails}
    return Flood(lines, banned, batches, ticks, remembered)


def _batches(ids: int, persistent: Sequence[str]) -> Iterator[tuple[bytes, float]]:
    """Yield batches of lines as a source does, each with the clock's time when it is read."""
    dice = random.Random(5)
    total = ids + _RETRIES * len(persistent)
    places = dice.sample(range(total), total - ids)
    by_place = {place: persistent[number // _RETRIES] for number, place in enumerate(places)}
    held: list[str] = []
    size = crowd = 0
    for number in range(total):
        at = START + int(number / total * SPAN)
        address = by_place.get(number)
        if address is None:
            address, crowd = _address(crowd, _SHARED, _CROWD), crowd + 1
        stamp = datetime.fromtimestamp(at, UTC)
        held.append(
            f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} host sshd[{number + 1000}]: "
            f"Failed password for root from {address} port {dice.randrange(1024, 65536)} ssh2\n"
        )
        size += len(held[-1])
        if size >= BATCH or number == total - 1:
            yield "".join(held).encode(), at
            held, size = [], 0


def _address(number: int, ipv4: int, ipv6: int) -> str:
    """Return the address of this *number*, all different: an IPv4 one from *ipv4* on, every second time one of *ipv6*."""
    number, odd = divmod(number, 2)
    if not odd:
        return str(IPv4Address(ipv4 + number))
    return str(IPv6Address(ipv6 + (number << 32) + number * 40503))


def measure(quick: bool) -> list[Row]:
    """Return the rows of one flood in a process of its own, of a tenth of the size when *quick*."""
    ids = 100_000 if quick else 1_000_000
    done = subprocess.run(
        [sys.executable, "-m", "bench.flood", "--json", "--ids", str(ids), "--attackers", str(ids // 200)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode != 0:
        raise BenchError(f"bench.flood: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    crowd = f"{ids:,} addresses fail once, {ids // 200:,} until they are banned"
    return [
        Row(f"{crowd}: memory at the peak", "MiB", [found["peak"] / 2**20]),
        Row(f"{crowd}: a line (CPU)", "us", [found["seconds"] / found["lines"] * 1e6]),
        Row(f"{crowd}: the longest batch of 256 KiB (CPU)", "ms", [found["longest"] * 1000]),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the flood that *argv* asks for (``sys.argv`` unless given); 0 when all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000, help="addresses that fail once")
    parser.add_argument("--attackers", type=int, default=5_000, help="addresses that fail five times")
    parser.add_argument("--jails", type=int, default=1, help="jails that see it all")
    parser.add_argument("--json", action="store_true", help="print what was measured as one JSON document")
    words = parser.parse_args(argv)
    one, persistent = settings(), attackers(words.attackers)
    gc.collect()
    gc.freeze()  # as the daemon does when it has started
    start = _peak()
    found = flood(words.ids, persistent, [replace(one, name=f"sshd-{n}") for n in range(words.jails)], Crowd())
    peak = _peak()
    seconds = sum(found.batches)
    if words.json:
        told = {"lines": found.lines, "peak": peak, "seconds": seconds, "longest": max(found.batches)}
        print(json.dumps(told))
    else:
        _tell(found, start, peak)
    wrong = 0
    roomy = (words.ids + words.attackers) * words.jails <= IDS
    for jail, banned in found.banned.items():
        if not words.json:
            print(f"{jail}: {len(banned)} banned of {len(persistent)} who failed {_RETRIES} times")
        wrong += len(banned.difference(persistent)) + roomy * len(set(persistent) - banned)
    if wrong:
        print(f"{wrong} addresses were banned or spared that must not be", file=sys.stderr)
    if peak > MEMORY:
        print(f"that is more memory than {MEMORY / 2**20:.0f} MiB", file=sys.stderr)
    return 1 if wrong or peak > MEMORY else 0


def _tell(found: Flood, start: int, peak: int) -> None:
    print(f"{found.lines} lines, {found.remembered} ids remembered at the end")
    seconds = sum(found.batches)
    print(f"{seconds:.1f} s of CPU time, {seconds / found.lines * 1e6:.1f} us a line")
    print(f"memory {peak / 2**20:.0f} MiB at its peak, {start / 2**20:.0f} MiB before")
    print(f"longest batch {max(found.batches) * 1000:.0f} ms (median {median(found.batches) * 1000:.0f} ms)")
    print(f"longest tick while all is forgotten {max(found.ticks) * 1000:.0f} ms")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
