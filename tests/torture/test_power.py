"""After a power cut the database opens, and what is judged from there on comes to the same end."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from banish.store import file
from tests.torture.power import Image, Run, ruined
from tests.torture.story import LOGS, Story

CUTS = 25


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    found = tmp_path / "logs"
    found.mkdir()
    for name in LOGS:
        (found / name).touch()
    return found


def test_whatever_a_power_cut_leaves_is_gone_on_from(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = tuple(pragma.replace("autocheckpoint = 2000", "autocheckpoint = 30") for pragma in file.PRAGMAS)
    monkeypatch.setattr(file, "PRAGMAS", often)
    story = Story(logs, seed=4)
    story.go_on(1500, crowd=20)
    story.end()
    now, dice = time.time(), random.Random(4)
    reference = Run(tmp_path / "reference" / "banish.sqlite3", logs, now, random.Random(1)).finish()
    assert len(reference.bans) > 50
    assert len(reference.asked) > 3

    run = Run(tmp_path / "state" / "banish.sqlite3", logs, now, dice)
    images = run.keep_images()
    assert run.finish() == reference
    checkpoints = [pair for pair in images if pair[0].database != pair[1].database]
    assert len(checkpoints) > 5
    chosen = dice.sample(checkpoints, 5) + dice.sample(images, CUTS - 5)
    places = set()
    for number, (safe, written) in enumerate(chosen):
        path = tmp_path / f"cut-{number}" / "banish.sqlite3"
        ruined(safe, written, dice).put(path)
        after_the_cut = Run(path, logs, now, dice)
        assert after_the_cut.store.problems == []
        places.add(sum(after_the_cut.places.values()))
        assert after_the_cut.finish() == reference
    assert len(places) > CUTS // 2, "they began all over the story"


def test_a_log_that_is_gone_altogether_costs_what_was_in_it_and_no_more(tmp_path: Path, logs: Path) -> None:
    """Somebody copied the database file alone, or deleted its log: the state of the last checkpoint."""
    story = Story(logs, seed=5)
    story.go_on(300)
    story.end()
    now = time.time()
    run = Run(tmp_path / "state" / "banish.sqlite3", logs, now, random.Random(1))
    steps = run.go_on()
    for _ in range(30):
        next(steps)
    run.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = run.image().database
    places = {Path(source).name: at.offset for source, at in run.store.positions().items()}
    reference = run.finish()
    Image(database, b"").put(tmp_path / "alone" / "banish.sqlite3")
    (tmp_path / "alone" / "banish.sqlite3-wal").unlink()
    again = Run(tmp_path / "alone" / "banish.sqlite3", logs, now, random.Random(2))
    assert again.places == places
    assert again.finish() == reference
