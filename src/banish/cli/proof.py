"""The weaknesses of expressions, proven in a process of its own: an expression may run for ever, and then only the process ends.

`Prover` is the side of ``banish check``; this module run as a program is the other one. One question and one answer a line, as
JSON. Time is the processor's, so that a busy machine is not taken for a slow expression.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import banish
from banish.errors import RegexError
from banish.matching.analysis import Forgery, Pump, forgery, pumps
from banish.matching.filter import Filter, FilterSettings

LIMIT = 0.25
"""Processor seconds that one expression may take for one line of `LONGEST` characters before it is called slow."""
LONGEST = 2000
_SEARCH = 5.0
"""Processor seconds for the search of a forgery."""
_MEASURING = 5.0
"""Processor seconds for measuring all that could make one expression slow."""
_PATIENCE = 60.0
"""Seconds until the process is given up; its own limits are far below."""


class Slow(NamedTuple):
    """A proof: *line* keeps the expression busy for more than *seconds* of processor time."""

    line: str
    characters: int
    seconds: float


class Weaknesses(NamedTuple):
    forgery: Forgery | None = None
    slow: Slow | None = None


class Prover:
    """Asks the other process, which is started when there is something to ask. A context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, settings: FilterSettings, index: int | None) -> Weaknesses:
        """Return what was proven about failregex number *index*, or the prefregex (None); nothing when no answer comes in time."""
        process = self._process or self._begin()
        if process.stdin is None or process.stdout is None:
            return Weaknesses()
        watch = threading.Timer(_PATIENCE, process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps({"settings": dataclasses.asdict(settings), "index": index}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            watch.cancel()
        if not answer:
            self._end()
            return Weaknesses()
        found = json.loads(answer)
        return Weaknesses(
            forgery=Forgery(**found["forgery"]) if found["forgery"] else None,
            slow=Slow(**found["slow"]) if found["slow"] else None,
        )

    def _begin(self) -> subprocess.Popen[str]:
        package = str(Path(banish.__file__).parents[1])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "banish.cli.proof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):
                process.communicate()


class _TimeOver(Exception):  # noqa: N818 -- what happened, not what it is
    pass


def prove(settings: FilterSettings, index: int | None) -> Weaknesses:
    """Return what can be proven; bounded in time, but only within a process that has `_time_over` for SIGVTALRM."""
    try:
        judge = Filter(settings)
    except RegexError:
        return Weaknesses()
    slow = None
    with contextlib.suppress(_TimeOver):
        slow = _slow(judge, index)
    forged = None
    if index is not None:
        # An expression that may run for ever would only use up the time.
        with contextlib.suppress(_TimeOver), _limit(_SEARCH if slow is None else _SEARCH / 10):
            forged = forgery(judge, index)
    return Weaknesses(forged, slow)


def _slow(judge: Filter, index: int | None) -> Slow | None:
    proposals: list[Pump] = []
    with contextlib.suppress(_TimeOver), _limit(_MEASURING):
        proposals.extend(pumps(judge, index))  # what was found before the time was over stays
    pattern = judge.prefregex if index is None else judge.failregex[index]
    spent = time.process_time()
    for pump in proposals:
        if pattern is None or time.process_time() - spent > _MEASURING:
            return None
        most = max((LONGEST - len(pump.line(0))) // len(pump.turn), 1)
        if not _takes_too_long(pattern, pump.text(most)):
            continue
        turns = 1
        while turns < most and not _takes_too_long(pattern, pump.text(turns)):
            turns = min(turns * 3 // 2 + 1, most)
        line = pump.line(turns)
        return Slow(line, len(line), LIMIT)
    return None


def _takes_too_long(pattern: Any, text: str) -> bool:
    try:
        with _limit(LIMIT):
            pattern.search(text + "\n")
    except _TimeOver:
        return True
    return False


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise _TimeOver within the block after *seconds* of processor time; ``re`` looks for signals while it searches."""
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _time_over(_number: int, _frame: object) -> None:
    raise _TimeOver


def main(questions: IO[str], answers: IO[str]) -> None:
    """Answer until there are no more questions."""
    signal.signal(signal.SIGVTALRM, _time_over)
    for line in questions:
        question = json.loads(line)
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in question["settings"].items()
        }
        found = prove(FilterSettings(**given), question["index"])
        answer = {
            "forgery": found.forgery._asdict() if found.forgery else None,
            "slow": found.slow._asdict() if found.slow else None,
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    main(sys.stdin, sys.stdout)
