"""The logs that fail2ban's own community has annotated, through our engine and fail2ban's filters: the same verdicts.

Debian's package installs both: what a daemon really logged, each line with a note of what must come of it, and the filters
they were written for. They are read where they lie. So this is a test of every room from the configuration's syntax to
sessions, by a body of facts that we had no hand in.

The notes were made for a clock that stands on 14 August 2005, at noon in Zurich.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import banish
from banish.replay.replay import Replay
from banish.replay.rules import load
from tests.samples.notation import differences, read

THEIRS = Path("/usr/lib/python3/dist-packages/fail2ban/tests")
LOGS = THEIRS / "files" / "logs"
CONFIG = Path("/etc/fail2ban")
DATA = Path(banish.__file__).parent / "data"

AGREEMENT = 0.999
LEAST = 1500
"""So many lines, counted once for each filter instance, there are at least; fewer, and this test would prove little."""

pytestmark = pytest.mark.skipif(
    not LOGS.is_dir() or not CONFIG.is_dir(), reason="the distribution's fail2ban package is not installed"
)


@pytest.fixture(autouse=True)
def _zurich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Their configuration, and the filters of their tests.

    These include what only their source tree has in that place: it is brought in before them.
    """
    tree = tmp_path / "etc"
    (tree / "filter.d").mkdir(parents=True)
    for path in (CONFIG / "filter.d").iterdir():
        os.symlink(path, tree / "filter.d" / path.name)
    for path in (THEIRS / "config" / "filter.d").glob("*.conf"):
        before = CONFIG / "filter.d" / "common.conf"
        (tree / "filter.d" / path.name).write_text(f"[INCLUDES]\nbefore = {before}\nafter = {path}\n")
    return tree


def test_annotated_logs_come_to_what_their_notes_say(tree: Path) -> None:
    now = datetime(2005, 8, 14, 12).timestamp()
    total = 0
    wrong: list[str] = []
    read_through: set[str] = set()
    logs = {path.name for path in LOGS.iterdir() if path.is_file()}
    for name in sorted(log for log in logs if (tree / "filter.d" / f"{log}.conf").exists()):
        read_through.add(name)
        for options, samples in read(LOGS / name):
            wanted = name + "".join(f"[{option}='{value}']" for option, value in options.items())
            replay = Replay(load(wanted, None, tree, DATA, raw_host=True), now, lambda _: ())
            for sample in samples:
                read_through.add(sample.file)
                total += 1
                if found := differences(sample, replay.judge_text(sample.text)):
                    at = f"{name}{json.dumps(options)} {sample.file}:{sample.number}"
                    wrong.append(f"{at}: {'; '.join(found)}: {sample.text}")

    assert read_through == logs, "not every log was read"
    assert total >= LEAST
    assert 1 - len(wrong) / total >= AGREEMENT, "\n".join(wrong)
