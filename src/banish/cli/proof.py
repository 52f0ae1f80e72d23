"""The weaknesses of expressions, proven in a process of its own: an expression may run for ever, and then only the process ends.

`Prover` is the side of ``banish check``; this module run as a program is the other one. One question and one answer a line, as
JSON. Time is the processor's, so that a busy machine is not taken for a slow expression.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import banish
from banish.errors import ConfigError, RegexError
from banish.lines.datepattern import compile_patterns
from banish.matching.analysis import Forgery, Pump, forgery, pumps, pumps_alone
from banish.matching.filter import Filter, FilterSettings

LIMIT = 0.25
"""Processor seconds that one expression may take for one line of `LONGEST` characters before it is called slow."""
LONGEST = 2000
_SEARCH = 5.0
"""Processor seconds for the search of a forgery."""
_MEASURING = 5.0
"""Processor seconds for measuring all that could make one expression slow."""
_HOPELESS = LIMIT / 1024
"""What takes less time for a quarter of `LONGEST` stays below `LIMIT` for all of it, unless the time grows with the fifth power."""
_CLOSER = 4
"""How many of the slowest are tried at full length."""
_DATES = 3
"""``{DATE}`` makes many expressions of one pattern, which differ only in the date."""
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


class Question(NamedTuple):
    option: str
    """``failregex``, ``prefregex``, ``ignoreregex`` or ``datepattern``."""
    number: int
    """In the list of its option, from 0."""
    settings: FilterSettings
    text: str = ""
    """Of a date pattern, which belongs to no filter."""


def ask_all(questions: Sequence[Question]) -> Iterator[Weaknesses]:
    """Yield an answer to each of *questions*, in their order; as many are worked on at once as there are processors (up to 4)."""
    workers = min(os.cpu_count() or 1, 4, len(questions))
    if not workers:
        return
    with contextlib.ExitStack() as stack:
        idle: queue.SimpleQueue[Prover] = queue.SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(Prover()))
        pool = stack.enter_context(ThreadPoolExecutor(workers))

        def ask(question: Question) -> Weaknesses:
            prover = idle.get()
            try:
                return prover.ask(question)
            finally:
                idle.put(prover)

        try:
            yield from pool.map(ask, questions)
        finally:
            pool.shutdown(cancel_futures=True)


class Prover:
    """Asks the other process, which is started when there is something to ask. A context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, question: Question) -> Weaknesses:
        """Return what was proven about an expression; nothing when no answer comes in time."""
        process = self._process or self._begin()
        if process.stdin is None or process.stdout is None:
            return Weaknesses()
        watch = threading.Timer(_PATIENCE, process.kill)
        watch.start()
        try:
            process.stdin.write(
                json.dumps({**question._asdict(), "settings": dataclasses.asdict(question.settings)}) + "\n"
            )
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


def prove(question: Question) -> Weaknesses:
    """Return what can be proven; bounded in time, but only within a process that has `_time_over` for SIGVTALRM."""
    option, index, settings, text = question
    try:
        judge = Filter(settings)
        dates = [each.regex for each in compile_patterns((text,)) if not each.known] if option == "datepattern" else []
    except (RegexError, ConfigError):
        return Weaknesses()
    slow = forged = None
    with contextlib.suppress(_TimeOver):
        if option == "datepattern":
            slow = next(filter(None, (_slow(date, pumps_alone(date)) for date in dates[:_DATES])), None)
        elif option == "ignoreregex":
            slow = _slow(judge.ignoreregex[index], pumps_alone(judge.ignoreregex[index]))
        elif option == "prefregex" and judge.prefregex is not None:
            slow = _slow(judge.prefregex, pumps(judge, None))
        elif option == "failregex":
            slow = _slow(judge.failregex[index], pumps(judge, index))
    if option == "failregex":
        # An expression that may run for ever would only use up the time.
        with contextlib.suppress(_TimeOver), _limit(_SEARCH if slow is None else _SEARCH / 10):
            forged = forgery(judge, index)
    return Weaknesses(forged, slow)


def _slow(pattern: re.Pattern[str], found: Iterator[Pump]) -> Slow | None:
    """Try what *found* proposes at a quarter of the length, and what takes longest there at full length."""
    proposals: list[Pump] = []
    with contextlib.suppress(_TimeOver), _limit(_MEASURING):
        proposals.extend(found)  # what was found before the time was over stays
    began = time.process_time()
    measured: list[tuple[float, Pump]] = []
    for pump in proposals:
        seconds = _seconds(pattern, pump.text(_turns(pump, LONGEST // 4)))
        if seconds > _HOPELESS:
            measured.append((seconds, pump))
        if seconds >= LIMIT or time.process_time() - began > _MEASURING:
            break
    for _, pump in sorted(measured, key=lambda each: -each[0])[:_CLOSER]:
        most, turns = _turns(pump, LONGEST), 1
        if _seconds(pattern, pump.text(most)) >= LIMIT:
            while turns < most and _seconds(pattern, pump.text(turns)) < LIMIT:
                turns = min(turns * 3 // 2 + 1, most)
            line = pump.line(turns)
            return Slow(line, len(line), LIMIT)
    return None


def _turns(pump: Pump, characters: int) -> int:
    return max((characters - len(pump.line(0))) // len(pump.turn), 1)


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    """Return the processor time of a search, `LIMIT` when it took as long or longer."""
    began = time.process_time()
    try:
        with _limit(LIMIT):
            pattern.search(text + "\n")
    except _TimeOver:
        return LIMIT
    return min(time.process_time() - began, LIMIT)


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
        found = prove(Question(question["option"], question["number"], FilterSettings(**given), question["text"]))
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
