"""One run of fail2ban's side of ``bench.lines``: its filter and its counting, driven as a program that embeds them would.

    python3 judge_with_fail2ban.py COMMANDS LOG BATCHES [record]

Runs in the interpreter that fail2ban is installed for, as a program of its own (no imports from beside it). COMMANDS is what
``fail2ban-client -d`` printed for one jail; the rest is as in ``judge_with_banish``. fail2ban is a black box here: its public
methods are called, its log is at ERROR, and there is neither server nor database nor any action.
"""

from __future__ import annotations

import ast
import importlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any


class Jail:
    """As much of a jail as a filter asks for: where bans are handed over."""

    def __init__(self, record: bool) -> None:
        self.name = "sshd"
        self.database = None
        self.banned = 0
        self.bans: list[tuple[str, float]] = []
        self._record = record

    def putFailTicket(self, ticket: Any) -> None:  # noqa: N802  (fail2ban's name)
        self.banned += 1
        if self._record:
            self.bans.append((str(ticket.getID()), ticket.getTime()))


def main() -> None:
    logging.getLogger("fail2ban").setLevel(logging.ERROR)
    clock = importlib.import_module("fail2ban.server.mytime").MyTime
    commands, log, batches = map(Path, sys.argv[1:4])
    data = log.read_bytes()
    record = sys.argv[4:] == ["record"]
    jail = Jail(record)
    plan = json.loads(batches.read_text())
    clock.setTime(plan[0][1])
    judge = _filter(jail, commands.read_text())
    failures: list[tuple[str, float]] = []
    if record:
        _listen(judge.failManager, failures)
    begin = 0
    started = time.process_time()
    for end, now in plan:
        clock.setTime(now)
        for line in data[begin:end].decode("utf-8", "replace").split("\n")[:-1]:
            judge.processLineAndAdd(line)
        judge.failManager.cleanup(now)
        begin = end
    seconds = time.process_time() - started
    failed = judge.failManager.getFailTotal()
    result = {"seconds": seconds, "failed": failed, "banned": jail.banned, "failures": failures, "bans": jail.bans}
    json.dump(result, sys.stdout)


def _filter(jail: Jail, dump: str) -> Any:
    judge = importlib.import_module("fail2ban.server.filter").Filter(jail)
    for line in dump.splitlines():
        match ast.literal_eval(line):
            case ["set", _, "usedns", str(value)]:
                judge.setUseDns(value)
            case ["set", _, "prefregex", str(value)]:
                judge.prefRegex = value
            case ["set", _, "addfailregex", str(value)]:
                judge.addFailRegex(value)
            case ["multi-set", _, "addfailregex", list(values)]:
                for value in values:
                    judge.addFailRegex(value)
            case ["set", _, "addignoreregex", str(value)]:
                judge.addIgnoreRegex(value)
            case ["set", _, "maxlines", int(value)]:
                judge.setMaxLines(value)
            case ["set", _, "datepattern", str(value)]:
                judge.setDatePattern(value)
            case ["set", _, "maxretry", int(value)]:
                judge.setMaxRetry(value)
            case ["set", _, "findtime", value]:
                judge.setFindTime(value)
            case ["set", _, "addignoreip", *values]:
                for value in values:
                    judge.addIgnoreIP(value)
    return judge


def _listen(manager: Any, failures: list[tuple[str, float]]) -> None:
    add = manager.addFailure

    def noted(ticket: Any, *more: Any, **words: Any) -> Any:
        failures.append((str(ticket.getID()), ticket.getTime()))
        return add(ticket, *more, **words)

    manager.addFailure = noted


if __name__ == "__main__":
    main()
