"""One run of fail2ban's side of ``bench.lines``: its filters and its counting, driven as a program that embeds them would.

    python3 judge_with_fail2ban.py COMMANDS LOG BATCHES [record]

Runs in the interpreter that fail2ban is installed for, as a program of its own (no imports from beside it). COMMANDS is what
``fail2ban-client -d`` printed; the rest is as in ``judge_with_banish``. fail2ban is a black box here: its public methods are
called, its log is at ERROR, and there is neither server nor database nor any action. Each jail is given every line.
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

Found = list[tuple[str, str, float]]


class Jail:
    """As much of a jail as a filter asks for: where bans are handed over."""

    def __init__(self, name: str, bans: Found | None) -> None:
        self.name = name
        self.database = None
        self.banned = 0
        self._bans = bans

    def putFailTicket(self, ticket: Any) -> None:  # noqa: N802  (fail2ban's name)
        self.banned += 1
        if self._bans is not None:
            self._bans.append((self.name, str(ticket.getID()), ticket.getTime()))


WARM_UP = 2
"""As ``sides.WARM_UP``, which cannot be imported here."""


def main() -> None:
    logging.getLogger("fail2ban").setLevel(logging.ERROR)
    clock = importlib.import_module("fail2ban.server.mytime").MyTime
    commands, log, batches = map(Path, sys.argv[1:4])
    record = sys.argv[4:] == ["record"]
    plan = json.loads(batches.read_text())
    clock.setTime(plan[0][1])
    failures: Found = []
    bans: Found = []
    jails: dict[str, Jail] = {}
    judges: dict[str, Any] = {}
    make = importlib.import_module("fail2ban.server.filter").Filter
    for line in commands.read_text().splitlines():
        command = ast.literal_eval(line)
        if command[0] == "add":
            name = command[1]
            jails[name] = Jail(name, bans if record else None)
            judges[name] = make(jails[name])
        elif len(command) > 2 and command[1] in judges:
            _configure(judges[command[1]], command)
    if record:
        for name, judge in judges.items():
            _listen(name, judge.failManager, failures)
    every = tuple(judges.values())
    begin = 0
    with log.open("rb", buffering=0) as file:
        started = time.process_time()
        for number, (end, now) in enumerate(plan):
            if number == WARM_UP:
                started = time.process_time()
            clock.setTime(now)
            for line in file.read(end - begin).decode("utf-8", "replace").split("\n")[:-1]:
                for judge in every:
                    judge.processLineAndAdd(line)
            for judge in every:
                judge.failManager.cleanup(now)
            begin = end
        seconds = time.process_time() - started
    result = {
        "seconds": seconds,
        "memory": _peak(),
        "jails": len(jails),
        "failed": sum(judge.failManager.getFailTotal() for judge in every),
        "banned": sum(jail.banned for jail in jails.values()),
        "failures": failures,
        "bans": bans,
    }
    json.dump(result, sys.stdout)


def _configure(judge: Any, command: list[Any]) -> None:
    match command:
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
        case ["multi-set", _, "addignoreregex", list(values)]:
            for value in values:
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


def _listen(jail: str, manager: Any, failures: Found) -> None:
    add = manager.addFailure

    def noted(ticket: Any, *more: Any, **words: Any) -> Any:
        failures.append((jail, str(ticket.getID()), ticket.getTime()))
        return add(ticket, *more, **words)

    manager.addFailure = noted


def _peak() -> float:
    # Not getrusage(2): what its ru_maxrss says was handed down by whoever started us.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
