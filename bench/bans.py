"""What a ban costs: from the change to the kernel's word that it is in force. To be run in a network namespace of its own.

    python -m bench.bans RUNS     prints the measurements, in milliseconds, as one JSON document

Ours is ``NftablesFirewall`` as the daemon uses it. fail2ban's is the command that its action runs for every ban: a shell that
starts nft(8), here with the least it can be given (``nft add element``); what fail2ban itself does before is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from banish.addresses import network_of, show
from banish.enforcement.layout import Refusal
from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.scopes import Record, Scope
from bench.table import BenchError, Row
from lab.namespaces import Host

SINGLES = 50
BATCHES = (100, 10_000)
RESTORED = 100_000
_FIRST = 0xC6120000  # 198.18.0.0/15 (RFC 2544) and what follows
_FOR = 3600.0
_ONE_BY_ONE = 100
"""How many bans fail2ban's way is measured with in each run; larger batches are as many times as long, and are not waited for."""

_THEIR_TABLE = """
add table inet other
add set inet other addr-set-sshd { type ipv4_addr; }
add chain inet other input { type filter hook input priority -1; }
add rule inet other input tcp dport 22 ip saddr @addr-set-sshd reject
"""


def measure(host: Host, runs: int) -> list[Row]:
    """Return the rows, measured on *host*."""
    done = host.run([sys.executable, "-m", "bench.bans", str(runs)], timeout=600)
    found: dict[str, list[float]] = json.loads(done.stdout)
    rows = [Row("a ban, until it is in force", "ms", found["one"], found["theirs"], "bans")]
    measured = {size: found[f"batch {size}"] for size in BATCHES} | {RESTORED: found["restore"]}
    for size, ours in measured.items():
        what = f"{size:,} bans at once" if size < RESTORED else f"{size:,} bans at a start, in one transaction"
        beyond = "" if size <= _ONE_BY_ONE else f" (fail2ban: {_ONE_BY_ONE}, extrapolated)"
        rows.append(Row(what + beyond, "ms", ours, [each * size for each in found["theirs"]], "bans"))
    return rows


def main() -> None:
    runs = int(sys.argv[1])
    found: dict[str, list[float]] = {"one": [], "theirs": [], "restore": []}
    found |= {f"batch {size}": [] for size in BATCHES}
    subprocess.run(["nft", "-f", "-"], input=_THEIR_TABLE, text=True, check=True)
    firewall = NftablesFirewall()
    scopes = [Scope("sshd", ("tcp",), ((22, 22),), "drop")]
    networks = [network_of((_FIRST + number).to_bytes(4, "big")) for number in range(RESTORED)]
    for run in range(runs):
        now = time.time()
        records = [Record("ban", "sshd", network, now + _FOR) for network in networks]

        _must_take(firewall.replace(scopes, [], now))
        with _timed(found["one"], SINGLES):
            for record in records[:SINGLES]:
                _must_take(firewall.apply([record], now))
        for size in BATCHES:
            _must_take(firewall.replace(scopes, [], now))
            with _timed(found[f"batch {size}"]):
                _must_take(firewall.apply(records[:size], now))
        with _timed(found["restore"]):
            _must_take(firewall.replace(scopes, records, now))
        _must_hold(firewall, RESTORED, now)

        addresses = [show(network) for network in networks[run * _ONE_BY_ONE :][:_ONE_BY_ONE]]
        with _timed(found["theirs"], _ONE_BY_ONE):
            for address in addresses:
                subprocess.run(["sh", "-c", f"nft add element inet other addr-set-sshd '{{ {address} }}'"], check=True)
    firewall.stop()
    json.dump(found, sys.stdout)


def _must_take(refused: Sequence[Refusal]) -> None:
    if refused:
        raise BenchError(f"refused: {refused[0].why}")


def _must_hold(firewall: NftablesFirewall, bans: int, now: float) -> None:
    # What the kernel lists falls short of what it blocks for a moment (see NftablesFirewall.holds).
    for _ in range(20):
        if len(firewall.holds(now)) == bans:
            return
        time.sleep(0.1)
    raise BenchError("the kernel does not hold what it was given")


@contextmanager
def _timed(into: list[float], times: int = 1) -> Generator[None]:
    """Add what the block takes to *into*: milliseconds, divided by how many *times* it does its work."""
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * 1000 / times)


if __name__ == "__main__":
    main()
