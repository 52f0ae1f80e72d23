"""Sample log lines, a file for each filter, and the reader of their notation (README.md in this directory)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NOTE = "# failJSON:"
_OPTIONS = "# filterOptions:"


@dataclass(frozen=True, slots=True)
class Sample:
    """One log line and what must come of it."""

    number: int
    """Its line in the sample file, counted from 1."""
    text: str
    expected: Mapping[str, Any]
    """The note above it; ``{"match": False}`` when there is none."""

    @property
    def matches(self) -> bool:
        return bool(self.expected["match"])


def read(path: Path) -> list[tuple[dict[str, str], list[Sample]]]:
    """Return the filter instances that the file at *path* asks for: their options, and the lines each is fed, in order.

    Raises ValueError, naming file and line, for a note that is not JSON or that no line follows.
    """
    instances: dict[str, tuple[dict[str, str], list[Sample]]] = {}
    options: list[dict[str, str]] = [{}]
    expected: Mapping[str, Any] | None = None
    number = 0
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if text.startswith(_NOTE):
            expected = _json(text.removeprefix(_NOTE), path, number)
        elif text.startswith(_OPTIONS):
            given = _json(text.removeprefix(_OPTIONS), path, number)
            options = given if isinstance(given, list) else [given]
        elif text and not text.startswith("#"):
            for each in options:
                _, samples = instances.setdefault(json.dumps(each, sort_keys=True), (each, []))
                samples.append(Sample(number, text, expected or {"match": False}))
            expected = None
    if expected is not None:
        raise ValueError(f"{path}:{number}: the last note has no line to speak of")
    return list(instances.values())


def _json(text: str, path: Path, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}:{number}: not JSON: {error}") from error
