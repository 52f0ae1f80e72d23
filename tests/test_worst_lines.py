"""No filter of ours, of fail2ban's and of a careless user's keeps the others waiting: a part of the search in ``worst_lines``.

What a search takes is not asserted but that it ends, since without the guard these lines take minutes; how long they really take
``python -m tests.worst_lines`` tells.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import banish
from banish.matching.filter import FilterSettings
from tests.conformance.corpus import STOCK, Variant, variants
from tests.worst_lines import Row, search

FAR_TOO_LONG = 5.0
"""Seconds."""
AWFUL = {
    "exponential": r"^(?:\w+\s*)+ from <HOST>$",
    "nested": r"^(?:(?:a*)*)*b <HOST>$",
    "polynomial": r"^.* .* .* .* .*: <HOST>$",
    "unanchored": r"\s*\S*\s* refused <HOST>",
    "quadratic": r"\s+$ <HOST>",
    "alternatives": r"^(?:[^\"]|\"[^\"]*\"|\S)*, client: <HOST>$",
    "ignoring case": r"(?i)[a-z\s]+! <HOST>",
    "backreference": r"^(.*)(.*)\1\2: <HOST>$",
}


def part_of_search(variant: Variant, most: int = 20) -> Row:
    row = search(variant, (500, 100_000), most)
    assert row.worst.seconds < FAR_TOO_LONG, row
    assert row.stream < FAR_TOO_LONG / 100, row
    return row


@pytest.mark.parametrize("regex", AWFUL.values(), ids=AWFUL.keys())
def test_an_awful_expression_is_given_up(regex: str) -> None:
    assert part_of_search(Variant("user", FilterSettings((regex,)), ())).given_up > 0


@pytest.mark.parametrize("pattern", [r"^(?:\w+\s*)+\[({DATE})", r"(?:\w+\s*)+\[%Y", r"\s+$%Y"])
def test_an_awful_date_pattern_is_given_up(pattern: str) -> None:
    assert part_of_search(Variant("user", FilterSettings((r"^ Failed <HOST>$",)), (pattern,))).given_up > 0


def test_sshd_gives_up_nothing_that_a_service_writes(tmp_path: Path) -> None:
    """The other filters of ours: ``shipped/test_worst_lines.py``."""
    tree = Path(banish.__file__).parent / "data"
    for variant in [each for each in variants(tmp_path, tree) if each.name.startswith("sshd")][:2]:
        row = search(variant, (500, 4000), most=30)
        assert (row.given_up, row.worst.given_up) == (0, False), row


@pytest.mark.skipif(not STOCK.is_dir(), reason="fail2ban is not installed")
@pytest.mark.parametrize("name", ["softethervpn", "recidive", "sshd+logtype=rfc5424"])
def test_the_slowest_of_fail2bans_filters_are_bounded(name: str, tmp_path: Path) -> None:
    (variant,) = (each for each in variants(tmp_path) if each.name == name)
    assert part_of_search(variant, 100).given_up > 0
