"""Our filters on our samples: every noted line comes to what its note says, and no other line matches."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import banish
from banish.replay.replay import Replay
from banish.replay.rules import load
from tests.samples.notation import Options, Sample, differences, read

DATA = Path(banish.__file__).parent / "data"
HERE = Path(__file__).parent
AS_OF = (2026, 12, 1)
"""Dates without a year are read as of this day, see README.md."""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


INSTANCES = [
    pytest.param(path, options, samples, id=f"{path.stem}{json.dumps(options)}")
    for path in sorted(HERE.glob("*.log"))
    for options, samples in read(path)
]


@pytest.mark.parametrize(("path", "options", "samples"), INSTANCES)
def test_every_line_comes_to_what_its_note_says(path: Path, options: Options, samples: list[Sample]) -> None:
    wanted = path.stem + "".join(f"[{name}='{value}']" for name, value in options.items())
    replay = Replay(load(wanted, None, None, DATA, raw_host=True), datetime(*AS_OF).timestamp(), lambda _: ())

    wrong = [
        f"{sample.file}:{sample.number}: {'; '.join(found)}: {sample.text}"
        for sample in samples
        if (found := differences(sample, replay.judge_text(sample.text)))
    ]

    assert not wrong, "\n".join(wrong)
