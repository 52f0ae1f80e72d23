"""Zones as lines and logtimezone spell them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from banish.errors import ConfigError
from banish.lines import zones


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Z", 0), ("UTC", 0), ("GMT", 0), ("WET", 0), ("CET", 1), ("CEST", 2), ("EET", 2), ("MSK", 3), ("JST", 9),
        ("EST", -5), ("CST", -6), ("NST", -3.5), ("+01", 1), ("+0130", 1.5), ("-01:30", -1.5), ("UTC+0100", 1), ("CET+01:00", 2),
    ],
)  # fmt: skip
def test_fixed_zones(text: str, hours: float) -> None:
    zone = zones.fixed(text)
    assert zone is not None
    assert zone.utcoffset(None) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "cet", "IST", "BST", "XYZ", "+1", "+99:00", "Europe/Berlin", "01:00", "+-01"])
def test_what_is_no_fixed_zone(text: str) -> None:
    assert zones.fixed(text) is None


def test_a_configured_zone_may_have_rules() -> None:
    berlin = zones.configured("Europe/Berlin")
    assert datetime(2026, 7, 1, tzinfo=berlin).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize("text", ["Mars", "Europe", "../etc/passwd", "/etc/passwd", "+1", "\0", "a" * 5000, "GMT-5x"])
def test_an_unknown_configured_zone_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"logtimezone.*unknown time zone.*Europe/Berlin"):
        zones.configured(text)


def test_the_pattern_takes_every_known_abbreviation_and_nothing_else() -> None:
    regex = re.compile(zones.pattern(), re.IGNORECASE)
    for name in zones.OFFSETS:
        assert regex.fullmatch(name), name
    for text in ("HOST", "cet", "CETX", "XYZ", ""):
        assert not regex.fullmatch(text)
