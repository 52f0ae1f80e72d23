"""fail2ban itself as the oracle: one process that is asked the same questions as our rooms.

Answers come in one spelling for both sides (``comparable``), so that they can be compared with ``==``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from banish.matching.filter import FilterSettings

PYTHON = "/usr/bin/python3"
_DRIVER = Path(__file__).with_name("oracle_driver.py")

Found = tuple[int, str, float, dict[str, Any], list[str]]
"""Index of the expression, id, time, fields, lines."""
Answer = list[list[Found] | str] | str
"""What each line led to (or ``raised …``, or ``ignored``); one text instead when the expressions are not accepted."""


def available() -> bool:
    """Tell whether the distribution's fail2ban can be asked here."""
    try:
        subprocess.run([PYTHON, "-c", "import fail2ban.server.filter"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Oracle:
    """fail2ban in a process of its own; close it, or use it with ``with``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [PYTHON, str(_DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._process.communicate()

    def dates(self, question: dict[str, Any]) -> list[Any]:
        """Ask for the dates in lines: see ``oracle_driver`` for question and answer."""
        found: list[Any] = self._ask({"ask": "dates"} | question)
        return found

    def verdicts(self, filter_: FilterSettings, messages: Sequence[str]) -> Answer:
        """Ask for the verdicts on *messages*, which have no dates; ``refused`` when the filter is not accepted."""
        return _spelled(self._ask({"ask": "verdicts", "filter": asdict(filter_), "messages": list(messages)}))

    def ask_file(
        self,
        filter_: FilterSettings,
        datepattern: Sequence[str],
        lines: Sequence[tuple[str, float]],
        *,
        timezone: str = "",
        machine: str = "UTC",
        live: bool = True,
    ) -> None:
        """Ask for the verdicts on the *lines* of a log file, each with the time it is read at; ``answer`` has them."""
        self._send(
            {
                "ask": "file",
                "filter": asdict(filter_),
                "datepattern": list(datepattern),
                "timezone": timezone,
                "machine": machine,
                "live": live,
                "lines": list(lines),
            }
        )

    def answer(self) -> Answer:
        """Wait for the verdicts that were asked for last; ``refused: …`` when the filter is not accepted."""
        return _spelled(self._receive())

    def _ask(self, question: dict[str, Any]) -> Any:
        self._send(question)
        return self._receive()

    def _send(self, question: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _spelled(reply: Any) -> Answer:
    if isinstance(reply, str):
        return reply
    return [[comparable(*found) for found in answer] if isinstance(answer, list) else answer for answer in reply]


def comparable(regex: int, id_: str, at: float, fields: dict[str, Any], lines: list[str]) -> Found:
    """One spelling for both: no groups that took no part, nor the marks of sessions (fail2ban drops some of them), nor an
    address beside the id that is the id (fail2ban tells it when the two are written differently)."""
    plain: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, (frozenset, list)):
            plain[name] = sorted(str(each) for each in value)
        elif value is not None and name not in ("nofail", "mlfgained", "mlfforget") and (name, value) != ("ip", id_):
            plain[name] = str(value)
    return regex, id_, at, plain, lines
