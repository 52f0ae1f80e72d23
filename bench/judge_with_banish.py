"""One run of our side of ``bench.lines``: bytes to decisions, without a firewall and without a database.

    python -m bench.judge_with_banish CONFIG LOG BATCHES [record]

BATCHES is a JSON list of [where the batch ends in LOG, the clock's time when it is read]. Prints what came of it and the CPU
seconds as one JSON document; with ``record`` every failure and ban in it, which costs time.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import resources
from pathlib import Path

from banish.config.jails import load
from banish.decisions.ledger import Ledger
from banish.jail import Jail
from banish.lines.reader import LineReader
from banish.lookups.own_addresses import own_addresses
from banish.model import Decision, Failure
from banish.subscription import Subscription


def main() -> None:
    config, log, batches = map(Path, sys.argv[1:4])
    (jail_config,) = load(config, Path(str(resources.files("banish"))) / "data").jails
    jail, ledger = Jail(jail_config.settings), Ledger()
    subscription = Subscription(LineReader(jail_config.settings.lines), [jail])
    jail.ignore.learn_own(own_addresses()[0])
    data = log.read_bytes()
    record = sys.argv[4:] == ["record"]
    failures: list[tuple[str, float]] = []
    bans: list[tuple[str, float]] = []
    banned = begin = 0
    plan = json.loads(batches.read_text())
    started = time.process_time()
    for end, now in plan:
        for each, share in subscription.shares(data[begin:end], now):
            for event in each.feed(share, now):
                if isinstance(event, Decision):
                    ledger.apply(event, now)
                    banned += 1
                    if record:
                        bans.append((event.id, event.at))
                elif record and isinstance(event, Failure):
                    failures.append((event.id, event.at))
        ledger.expire(now)
        begin = end
    seconds = time.process_time() - started
    result = {"seconds": seconds, "failed": jail.failed_total, "banned": banned, "failures": failures, "bans": bans}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
