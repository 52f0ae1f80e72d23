"""Durations as administrators write them."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish import addresses, durations, errors


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600), ("10m", 600), ("10 min", 600), ("1h 30m", 5400), ("1d12h", 129600), ("1h+30min", 5400), ("2*1h", 7200),
        ("1w", 604800), ("1mo", 2629800), ("1month", 2629800), ("1y", 31557600), ("1year-6mo", 15778800), ("1y6mo", 47336400),
        ("2 * (1h + 30m)", 10800), ("1.5h", 5400), ("3 Days", 259200), ("5 seconds", 5), ("1 hou", 3600), ("1MO", 2629800),
        ("0", 0), ("--5", 5),
    ],
)  # fmt: skip
def test_spellings(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["-1", "-1d", "1h - 2h"])
def test_negative_is_for_ever(text: str) -> None:
    assert durations.parse(text) == math.inf


@pytest.mark.parametrize(
    "text", ["", " ", "h", "10 parsecs", "1h)", "(1h", "1//2", "__import__('os')", "1e3", "5m # x", "(" * 500 + "1"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        durations.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "9" * 400,
        f"0*{'9' * 400}",
        f"-{'9' * 400}",
        f"{'9' * 400} - {'9' * 400}",
        "1000000000001",
        "40000y",
        "-2000000000000",
    ],
)
def test_what_is_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not a duration: too large \(up to 1000000000000 seconds; -1 is for ever\)"
    ):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.6, "1m"), (3599, "59m 59s"), (203400, "2d 8h 30m"), (604800, "1w"), (31557600 + 86400 * 25, "1y 3w 4d"),
        (31557600 + 86400 * 27.9, "1y 4w"),
     (math.inf, "permanent")],
)  # fmt: skip
def test_rendering(seconds: float, text: str) -> None:
    assert durations.render(seconds) == text


@given(st.integers(0, 3600 * 24))
def test_what_is_rendered_within_a_day_reads_back_the_same(seconds: int) -> None:
    assert durations.parse(durations.render(seconds)) == seconds


@given(st.text(alphabet="0123456789 .smhdwoy+-*()xX\n", max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = durations.parse(text)
    except ValueError:
        return
    assert seconds >= 0


@pytest.mark.parametrize("module", [addresses, durations, errors])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0  # type: ignore[arg-type]
