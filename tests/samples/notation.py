"""The notation of sample logs: reading it, and comparing what a note states with what came of the line.

README.md describes what our samples use. fail2ban's own samples, which the conformance tests run, use more:

* ``# addFILE: "name"``: the lines of that file, which lies beside this one, come here. ``# fileOptions: {...}`` in it holds for
  all its lines, below the ``filterOptions``.
* In options, ``test.condition`` is a condition on the filter's name, without which the lines are left out, and
  ``test.prefix-line`` a text to be put before each line.
* In a note, ``constraint`` is such a condition on the name and the options, and ``attempts`` the number of lines that make up
  the failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from banish.addresses import parse, show
from banish.replay.replay import Judged

Options = dict[str, str]

_NOTE = re.compile(r"#\s*(?P<word>failJSON|filterOptions|fileOptions|addFILE):\s*(?P<json>.*)")
_CONDITION = re.compile(r"""(?:name|opts\.get\('(?P<option>[\w.-]+)'\))\s*(?P<sign>==|!=)\s*'(?P<value>[^']*)'""")
_NO_FIELDS = ("match", "desc", "constraint")


@dataclass(frozen=True, slots=True)
class Sample:
    """One log line and what must come of it."""

    file: str
    number: int
    """Its line in the file, counted from 1."""
    text: str
    expected: Mapping[str, Any]
    """The note above it; ``{"match": False}`` when there is none."""

    @property
    def matches(self) -> bool:
        return bool(self.expected["match"])


def read(path: Path) -> list[tuple[Options, list[Sample]]]:
    """Return the filter instances that the file at *path* asks for: their options, and the lines each is fed, in order.

    Raises ValueError, naming file and line, for a note that is not JSON or that no line follows.
    """
    instances: dict[str, tuple[Options, list[Sample]]] = {}
    for options, sample in _samples(path):
        if not _holds(options.get("test.condition", ""), path.stem, options):
            continue
        if not _holds(str(sample.expected.get("constraint", "")), path.stem, options):
            continue
        kept = {name: value for name, value in options.items() if not name.startswith("test.")}
        _, samples = instances.setdefault(json.dumps(kept, sort_keys=True), (kept, []))
        text = options.get("test.prefix-line", "") + sample.text
        samples.append(Sample(sample.file, sample.number, text, sample.expected))
    return list(instances.values())


def _samples(path: Path) -> Iterator[tuple[Options, Sample]]:
    of_file: Options = {}
    options: list[Options] = [{}]
    expected: Mapping[str, Any] | None = None
    number = 0
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").split("\n"), 1):
        text = line.rstrip("\r")
        if found := _NOTE.match(text):
            stated = _json(found["json"], path, number)
            if found["word"] == "failJSON":
                expected = stated
            elif found["word"] == "addFILE":
                yield from _samples(path.parent / stated)
            elif found["word"] == "fileOptions":
                of_file = stated
                options = [of_file]
            else:
                options = [of_file | each for each in (stated if isinstance(stated, list) else [stated])]
        elif text.strip() and not text.startswith("#"):
            for each in options:
                yield each, Sample(path.name, number, text, expected or {"match": False})
            expected = None
    if expected is not None:
        raise ValueError(f"{path}:{number}: the last note has no line to speak of")


def _json(text: str, path: Path, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}:{number}: not JSON: {error}") from error


def _holds(condition: str, name: str, options: Options) -> bool:
    if not condition:
        return True
    found = _CONDITION.fullmatch(condition)
    if found is None:
        raise ValueError(f"a condition of another form: {condition}")
    value = options.get(found["option"]) if found["option"] else name
    return (value == found["value"]) == (found["sign"] == "==")


def differences(sample: Sample, judged: Judged) -> list[str]:
    """Return what *judged* has otherwise than *sample* states, in words; nothing when they agree.

    A time is compared by the second and in local time; ``null`` is a line whose date cannot be read. A host is compared as an
    address, not by its spelling.
    """
    outcome = judged.outcome
    if sample.matches != (outcome == "failure"):
        return [f"must {'' if sample.matches else 'not '}match, is {outcome}"]
    if not sample.matches:
        return []
    match = judged.matches[0]
    found: list[str] = []
    for name, stated in sample.expected.items():
        if name in _NO_FIELDS:
            continue
        expected, got = stated, match.fields.get(name)
        if name == "host":
            expected, got = _address(stated), match.fields.get("ip", match.id)
        elif name == "time":
            # fromisoformat would refuse a day without its zero.
            expected = stated and datetime.strptime(stated.partition(".")[0], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
            got = None if judged.at is None else datetime.fromtimestamp(int(match.at))
        elif name == "users":
            expected, got = set(stated), set(got or ())
        elif name == "attempts":
            got = len(match.lines)
        if expected != got:
            found.append(f"{name} must be {expected}, is {got}")
    return found


def _address(text: str) -> str:
    network = parse(text)
    return text if network is None else show(network)
