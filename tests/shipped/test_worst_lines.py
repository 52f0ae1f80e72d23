"""No line that a stranger can write keeps a filter of ours busy for long: a part of the search in ``tests/worst_lines.py``.

All of it, with times: ``python -m tests.worst_lines --tree src/banish/data [--filter NAME]``.
"""

from __future__ import annotations

import pytest

from banish.matching.filter import FilterSettings
from tests.conformance.corpus import Variant, variants
from tests.shipped.forging import DATA
from tests.worst_lines import search

FILTERS = sorted(path.stem for path in (DATA / "filter.d").glob("*.conf") if not path.stem.endswith("common"))

LENGTHS = (500, 2000)
"""A syslog daemon cuts a message at 1024 to 8096 bytes, most services a name far earlier."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    return variants(tmp_path_factory.mktemp("tree"), DATA)


@pytest.mark.parametrize("name", FILTERS)
def test_no_line_is_given_up(name: str, ours: list[Variant]) -> None:
    own = [variant for variant in ours if variant.name.split("+")[0] == name]
    assert own, f"{name} makes no filter: banish check says why"
    tried: set[str] = set()
    for variant in sorted(
        own, key=lambda each: -len(each.filter.failregex)
    ):  # the mode with the most expressions first
        if not tried.issuperset(variant.filter.failregex):
            tried.update(variant.filter.failregex)
            # Again before judgement: beside a busy neighbour the same search takes more of a processor's time.
            assert any(gives_up(variant) == 0 for _ in range(4)), variant.name


def test_a_slow_filter_is_found() -> None:
    assert gives_up(Variant("mutant", FilterSettings((r"^(?:\w+\s*)+ from <HOST>$",)), ())) > 0


def gives_up(variant: Variant) -> int:
    """Return how many lines, as long as services write them, an expression of *variant* takes too long over."""
    row = search(variant, LENGTHS, most=30)
    return row.given_up + row.worst.given_up
