"""kill -9 at random moments: ``python -m tests.torture.crashes --kills 200``.

Two daemons watch the same logs, each on a host of its own with a kernel table of its own. One is left alone; the other is killed
again and again, also while it starts. In the end both must have the same bans, with the same beginnings, ends, counts, reasons
and evidence, and the same history. After each restart the bans of whatever was in the logs must be in the kernel soon.

Where a command is asked about each match (jail ``asked``) answers come in any order, crash or not; who is banned and how often is
compared there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import Host, Lab, LabError
from lab.daemon import Daemon
from tests.torture.story import FILTERS, JAILS, LOGS, Story

PACE = 0.05
"""Seconds between two bursts of lines."""
BURST = 12
_BANS = """
    SELECT jail, id, iif(asked, 0, at), iif(asked, 1e10, expires_at), ban_count, iif(asked, 0, failures), iif(asked, '', reason)
    FROM (SELECT *, jail = 'asked' AS asked FROM bans) ORDER BY jail, id"""
# Lines without their places: how well those are known depends on where the log was read piece by piece.
_LINES = "SELECT json_group_array(iif(type = 'array', json_extract(value, '$[0]'), value)) FROM json_each(matches)"
_EVIDENCE = f"SELECT jail, id, ({_LINES}) AS lines, fields FROM evidence WHERE jail != 'asked' ORDER BY jail, id"
_EVENTS = "SELECT jail, kind, id, iif(jail = 'asked', '', reason) FROM events WHERE jail != 'asked' OR kind = 'banned'"
_ASK = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN")
print(json.dumps([connection.execute(query).fetchall() for query in sys.argv[2:]]))
"""


@dataclass
class Outcome:
    """What became of it."""

    kills: int
    lines: int = 0
    early: int = 0
    """Kills before the daemon answered."""
    bans: int = 0
    events: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    """Seconds from the start of the process until it answered."""
    complete: list[float] = field(default_factory=list)
    """Seconds from then until every ban was in the kernel that the logs gave reason for at the start."""


def run(kills: int, seed: int = 1) -> Outcome:
    """Kill a daemon *kills* times, and compare it with one that was left alone."""
    with Lab.hold() as lab:
        logs = lab.directory / "logs"
        outside = lab.path(logs)
        outside.mkdir(parents=True)
        for name in LOGS:
            (outside / name).touch()
        files = {**FILTERS, "banish.local": "[Definition]\ndbpurgeage = 1d\n"}
        jails = JAILS.format(logs=logs)
        witness = Daemon(lab.host("witness"), jails, name="witness", files=files)
        victim = Daemon(lab.host("victim"), jails, name="victim", files=files)
        outcome = Outcome(kills)
        with witness, victim:
            story = Story(outside, seed)
            over = threading.Event()
            writer = threading.Thread(target=_write, args=(story, over), daemon=True)
            writer.start()
            try:
                _torture(victim, witness, outcome, random.Random(seed))
            finally:
                over.set()
                writer.join()
            story.end()
            outcome.lines = story.lines
            for daemon in (witness, victim):
                daemon.wait_for("all to be judged", lambda daemon=daemon: _caught_up(daemon, outside), timeout=60)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not _quiet(witness, victim):
                time.sleep(0.2)
            _compare(outcome, witness, victim)
        return outcome


def _write(story: Story, over: threading.Event) -> None:
    while not over.wait(PACE):
        story.go_on(BURST)


def _torture(victim: Daemon, witness: Daemon, outcome: Outcome, dice: random.Random) -> None:
    for _ in range(outcome.kills):
        if dice.random() < 0.2:
            time.sleep(dice.random() * 0.8)
            victim.kill()
            victim.launch()
            time.sleep(dice.random() * 0.6)
            outcome.early += 1
        else:
            time.sleep(dice.random())
        victim.kill()
        due = _banned(witness)
        began = time.monotonic()
        victim.start()
        answered = time.monotonic()
        while due := due - _in_kernel(victim.host):
            if time.monotonic() > answered + 30:
                raise LabError(f"not in the kernel half a minute after the start: {sorted(due)}")
            time.sleep(0.02)
        outcome.ready.append(answered - began)
        outcome.complete.append(time.monotonic() - answered)


def _banned(daemon: Daemon) -> set[str]:
    """Who is banned and stays so for long; but for those of whom a command must be asked first."""
    soon = time.time() + 120
    (found,) = _query(daemon, f"SELECT id FROM bans WHERE expires_at > {soon} AND jail != 'asked'")
    return {row[0] for row in found}


def _in_kernel(host: Host) -> set[str]:
    listed = host.run(["nft", "-j", "list", "table", "inet", "banish"], check=False)
    if listed.returncode != 0:
        return set()
    found: set[str] = set()
    for item in json.loads(listed.stdout)["nftables"]:
        for element in item.get("set", {}).get("elem", ()):
            value = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
            if isinstance(value, str):
                found.add(value)
    return found


def _query(daemon: Daemon, *queries: str) -> list[list[tuple[Any, ...]]]:
    """Return what *queries* find, all in one transaction. Asked from inside: SQLite does not follow the path from outside."""
    asked = daemon.host.run([sys.executable, "-ISc", _ASK, daemon.database, *queries])
    return [[tuple(row) for row in found] for found in json.loads(asked.stdout)]


def _caught_up(daemon: Daemon, logs: Path) -> bool:
    sizes = {name: (logs / name).stat().st_size for name in LOGS}
    (found,) = _query(daemon, 'SELECT source, "offset" FROM positions')
    return {Path(source).name: offset for source, offset in found} == sizes


def _quiet(witness: Daemon, victim: Daemon) -> bool:
    """Nothing short is banned any more, and both have told of it."""
    tables = [_tables(daemon) for daemon in (witness, victim)]
    ends = [row[3] for table in tables for row in table[0] if row[0] == "plain"]
    return all(end < time.time() - 2 for end in ends) and tables[0] == tables[1]


def _tables(daemon: Daemon) -> tuple[list[Any], list[Any], Counter[Any]]:
    bans, evidence, events = _query(daemon, _BANS, _EVIDENCE, _EVENTS)
    return bans, evidence, Counter(events)


def _compare(outcome: Outcome, witness: Daemon, victim: Daemon) -> None:
    (bans, evidence, events), (others, evidence2, events2) = _tables(witness), _tables(victim)
    outcome.bans = len(bans)
    for (_, kind, *_), count in events.items():
        outcome.events[kind] += count
    for what, one, two in (("ban", bans, others), ("evidence", evidence, evidence2)):
        outcome.differences += [f"{what} of the witness alone: {row}" for row in one if row not in two]
        outcome.differences += [f"{what} of the victim alone: {row}" for row in two if row not in one]
    outcome.differences += [
        f"event of the witness alone, {count} times: {row}" for row, count in (events - events2).items()
    ]
    outcome.differences += [
        f"event of the victim alone, {count} times: {row}" for row, count in (events2 - events).items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args(argv)
    outcome = run(words.kills, words.seed)
    print(f"{outcome.kills} kills and {outcome.early} more while it started; {outcome.lines} lines")
    print(f"{outcome.bans} bans; events: {dict(outcome.events)}")
    for what, found in (
        ("answered after the start", outcome.ready),
        ("every ban in the kernel after that", outcome.complete),
    ):
        ranked = sorted(found)
        print(f"{what}: median {ranked[len(ranked) // 2]:.3f} s, most {ranked[-1]:.3f} s")
    print(f"{len(outcome.differences)} differences from a daemon that was left alone")
    for difference in sorted(outcome.differences, key=lambda text: "'asked'" in text)[:50]:
        print(f"  {difference}")
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
