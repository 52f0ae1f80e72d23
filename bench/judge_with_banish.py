"""One run of our side of ``bench.lines``: from the bytes of a file to decisions, without a firewall and without a database.

    python -m bench.judge_with_banish CONFIG LOG BATCHES [record]

CONFIG is a configuration directory; BATCHES a JSON list of [where the batch ends in LOG, the clock's time when it is read].
Prints what came of it, the CPU seconds and the largest resident memory (MiB) as one JSON document; with ``record`` every failure
and ban is in it as [jail, id, time], which costs time.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib import resources
from pathlib import Path

from banish.cli.banishd import SELDOM
from banish.config.jails import load
from banish.decisions.ledger import Ledger
from banish.jail import Jail
from banish.lines.reader import LineReader, LineSettings
from banish.lookups.own_addresses import own_addresses
from banish.model import Decision, Failure
from banish.subscription import Subscription
from bench.sides import WARM_UP


def main() -> None:
    config, log, batches = map(Path, sys.argv[1:4])
    record = sys.argv[4:] == ["record"]
    plan: list[tuple[int, float]] = json.loads(batches.read_text())
    jails, ledger = _jails(config), Ledger()
    subscriptions = _subscriptions(jails)
    failures: list[tuple[str, str, float]] = []
    bans: list[tuple[str, str, float]] = []
    banned = begin = 0

    def judge(data: bytes, now: float) -> None:
        nonlocal banned
        for subscription in subscriptions:
            for jail, share in subscription.shares(data, now):
                for event in jail.feed(share, now):
                    if isinstance(event, Decision):
                        ledger.apply(event, now)
                        banned += 1
                        if record:
                            bans.append((event.jail, event.id, event.at))
                    elif record and isinstance(event, Failure):
                        failures.append((event.jail, event.id, event.at))
        ledger.expire(now)

    with log.open("rb", buffering=0) as file:
        started = time.process_time()
        for number, (end, now) in enumerate(plan):
            if number == WARM_UP:
                gc.freeze()  # as the daemon does when it has started
                gc.set_threshold(SELDOM)
                started = time.process_time()
            judge(file.read(end - begin), now)  # as in the daemon, it is freed before more is read
            begin = end
        seconds = time.process_time() - started
    result = {
        "seconds": seconds,
        "memory": _peak(),
        "jails": len(jails),
        "failed": sum(jail.failed_total for jail in jails),
        "banned": banned,
        "failures": failures,
        "bans": bans,
    }
    json.dump(result, sys.stdout)


def _jails(config: Path) -> list[Jail]:
    found = load(config, Path(str(resources.files("banish"))) / "data")
    if found.left_out:
        sys.exit(f"jails that cannot be used: {', '.join(found.left_out)}: {found.problems[0]}")
    own = own_addresses()[0]
    jails = [Jail(each.settings) for each in found.jails]
    for jail in jails:
        jail.ignore.learn_own(own)
    return jails


def _subscriptions(jails: list[Jail]) -> list[Subscription]:
    """Who shares line settings shares a reader, as in the daemon."""
    shared: dict[LineSettings, list[Jail]] = {}
    for jail in jails:
        shared.setdefault(jail.settings.lines, []).append(jail)
    return [Subscription(LineReader(settings), sharing) for settings, sharing in shared.items()]


def _peak() -> float:
    # Not getrusage(2): what its ru_maxrss says was handed down by whoever started us.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
