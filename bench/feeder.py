"""Appends lines to a log at a steady rate, beside the daemon that reads it, as a server's syslog would.

    python -m bench.feeder LOG

Takes orders from standard input, one JSON object a line: ``rate`` (lines a second), ``seconds``, ``share`` (of them attack, 0 to
1), ``retries`` (failures that lead to a ban) and ``turn`` (a number that makes the addresses new). Answers with one line: how
many ``lines`` it has written and how many ``failures`` and ``bans`` these must lead to. Every line is written by itself, and all
that are due every hundredth of a second.

The attack is made so that nobody can argue about the count: wrong passwords for root, one in each session, campaigns of one
address each, of at least one and less than twice *retries* tries.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bench import corpus

_EVERY = 0.01
_FIRST = 0xC6120000  # 198.18.0.0/15 (RFC 2544)
_ADDRESSES = 1 << 17


def main() -> None:
    with Path(sys.argv[1]).open("ab", buffering=0) as log:
        for words in sys.stdin:
            order = json.loads(words)
            lines = round(order["rate"] * order["seconds"])
            messages, failures, bans = plan(lines, order["share"], order["retries"], order["turn"])
            began = time.monotonic()
            written = 0
            while written < lines:
                due = min(lines, round((time.monotonic() - began) * order["rate"]))
                now = datetime.now()
                stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S} host "
                for message in messages[written:due]:
                    log.write(f"{stamp}{message}\n".encode())
                written = due
                time.sleep(_EVERY)
            print(json.dumps({"lines": lines, "failures": failures, "bans": bans}), flush=True)


def plan(lines: int, share: float, retries: int, turn: int) -> tuple[list[str], int, int]:
    """Return *lines* messages of syslog, and how many failures and bans a jail with ``maxretry`` *retries* must make of them."""
    dice = random.Random(turn)
    benign = corpus.SSHD.benign(None, dice)
    tries = _campaigns(retries, turn, dice)
    found: list[str] = []
    failures = bans = 0
    for number in range(lines):
        if dice.random() < share:
            address, nth = next(tries)
            pid = 4_000_000 + turn * lines + number
            found.append(
                f"sshd[{pid}]: Failed password for root from {address} port {dice.randrange(1024, 65536)} ssh2"
            )
            failures += 1
            bans += nth == retries
        else:
            found.append(next(benign))
    return found, failures, bans


def _campaigns(retries: int, turn: int, dice: random.Random) -> Iterator[tuple[str, int]]:
    """Yield an address and which of its tries it is, from 1."""
    for number in itertools.count():
        value = _FIRST + (turn * 5000 + number) % _ADDRESSES
        address = ".".join(str(value >> bits & 255) for bits in (24, 16, 8, 0))
        for nth in range(1, dice.randrange(2, 2 * retries)):
            yield address, nth


if __name__ == "__main__":
    main()
