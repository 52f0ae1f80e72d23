"""Generated lines over every filter of the installed tree, judged by fail2ban and by us: the same verdicts, or a reason why not.

``python -m tests.conformance.differential`` does the same with more lines and other seeds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conformance.corpus import STOCK, Author, Variant, variants
from tests.conformance.differential import run, table
from tests.conformance.oracle import Oracle

LINES_PER_EXPRESSION = 50
SEED = 20261122

pytestmark = pytest.mark.skipif(not (STOCK / "filter.d").is_dir(), reason="needs Debian's package fail2ban")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    return variants(tmp_path_factory.mktemp("variants"))


@pytest.fixture
def zone_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        yield
    time.tzset()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("zone_restored")
def test_every_filter_judges_generated_lines_as_fail2ban_does(oracle: Oracle, every: list[Variant]) -> None:
    rows = list(run(oracle, every, lambda variant: LINES_PER_EXPRESSION * len(variant.filter.failregex), SEED))
    unexplained = sum(len(row.unexplained) for row in rows)
    assert unexplained == 0, "\n".join(table(rows))
    # The test would be worth nothing if lines seldom matched, or if most of what differs could be explained away.
    lines, failures = sum(row.lines for row in rows), sum(row.ours for row in rows)
    assert failures > lines / 3
    assert sum(sum(row.explained.values()) for row in rows) < lines / 20
    assert [row.variant for row in rows if row.ours < row.lines / 20] == []
    assert {row.variant: row.never_matched for row in rows if row.never_matched} == {}


def test_every_filter_is_there(every: list[Variant]) -> None:
    filters = {path.stem for path in (STOCK / "filter.d").glob("*.conf") if not path.stem.endswith("common")}
    assert {variant.name.partition("+")[0] for variant in every} == filters
    assert sum(len(variant.filter.failregex) for variant in every) > 400


def test_equal_seeds_write_equal_lines(every: list[Variant]) -> None:
    variant = next(variant for variant in every if variant.name == "sshd")
    first, second, other = (list(Author(variant, seed).episodes(80)) for seed in (1, 1, 2))
    assert first == second != other
