"""How far the closest expression got."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import RegexError
from banish.matching.filter import Filter, FilterSettings
from banish.model import Line
from banish.replay import closest as module
from banish.replay.closest import Closest, Near


def near(message: str, *failregex: str, prefregex: str = "") -> Near | None:
    filter_ = Filter(FilterSettings(failregex=failregex, prefregex=prefregex))
    return Closest(filter_).find(Line(message, message, None))


LINE = "Failed password for root from 192.0.2.7 port 22"


@pytest.mark.parametrize(
    ("expression", "fits", "unfit"),
    [
        ("^Failed passwort for <HOST>", "Failed passwor", "t for <HOST>"),
        ("^Failed \\S+ by <HOST>", "Failed ", "\\S+ by <HOST>"),
        ("^Failed \\w{3,8} to <HOST>", "Failed password ", "to <HOST>"),
        ("^Failed .* from <HOST>$", "Failed password for root from 192.0.2.7", "$"),
        (
            "^Failed password for <F-USER>r\\w\\w</F-USER> from <HOST>",
            "Failed password for roo",
            "</F-USER> from <HOST>",
        ),
        ("^Failed password for (?:alice|bob) from <HOST>", "Failed password for ", "(?:alice|bob) from <HOST>"),
        ("^Failed password for(?: \\w+)? at <HOST>", "Failed password for root ", "at <HOST>"),
        ("^nothing <ADDR>|^Failed pass <F-ID/>", "Failed pass", " <F-ID/>"),
        ("(?i)^failed PASSWORT <HOST>", "Failed passwor", "T <HOST>"),
        ("(?i)^x <ADDR>|^failed PASSWORT <F-ID/>", "Failed passwor", "T <F-ID/>"),
        ("^Failed password (?!for) <HOST>", "Failed password ", "(?!for) <HOST>"),
        ("<HOST> port 23", "192.0.2.7 port 2", "3"),
        ("^Failed [p]assword [^f] <HOST>", "Failed password ", "[^f] <HOST>"),
    ],
)
def test_the_first_piece_that_does_not_fit_is_named(expression: str, fits: str, unfit: str) -> None:
    assert near(LINE, expression) == Near("failregex", 0, fits, unfit)


def test_the_expression_that_says_most_is_the_closest() -> None:
    found = near(LINE, "^.*\\S+ by <HOST>", "^Failed password for .* by <HOST>", "^Failed x <HOST>")

    assert found == Near("failregex", 1, "Failed password for ", ".* by <HOST>")


def test_chance_is_not_told() -> None:
    assert near(LINE, "^Fax from <HOST>", "^.* x <HOST>", "^\\w+ y <HOST>") is None
    assert near("") is None


def test_a_prefregex_comes_first() -> None:
    prefix = "^\\s*\\S+ gate: <F-CONTENT>.+</F-CONTENT>$"

    assert near("h gate: denied to <HOST>", "^denied from <HOST>", prefregex=prefix) == Near(
        "failregex", 0, "denied ", "from <HOST>"
    )
    assert near("h gate; denied from", "^denied from <HOST>", prefregex=prefix) == Near(
        "prefregex", 0, "h gate", ": <F-CONTENT>.+</F-CONTENT>$"
    )
    assert near("h", "^denied from <HOST>", prefregex=prefix) is None


def test_an_expression_over_several_lines_may_fit_this_one() -> None:
    filter_ = Filter(FilterSettings(("^error$<SKIPLINES>^by <HOST>$",), maxlines=5))

    found = Closest(filter_).find(Line("error", "error", None))

    assert found is not None
    assert (found.fits, found.unfit) == ("error", "<SKIPLINES>^by <HOST>$")


def test_a_very_long_line_costs_little() -> None:
    assert near("Failed " + "x" * 3_000_000, "^Failed x+ by <HOST>") is not None


PIECES = (
    "a",
    "b",
    "\\.",
    "[ab]",
    ".",
    "a?",
    "b*",
    "(?:a|b)",
    "(?P<n>ab)",
    "(?:b(?:a.))",
    "(?=a)",
    "$",
    "a{1,2}",
    "(?!b)",
    "\\n",
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([each for each in PIECES if "?P<" not in each]), max_size=8), st.text("ab.", max_size=6)
)
def test_bisection_finds_as_many_pieces_as_trying_them_all(pieces: list[str], text: str) -> None:
    expression = "".join(pieces)
    for start, cuts in module._sequences(expression):
        tried = [re.search(expression[start : cut.end] + ")" * cut.open, f"{text}\n") is not None for cut in cuts]
        assert tried == sorted(tried, reverse=True)  # what fits, fits from the start; else bisection would be wrong
        assert [cut.end for cut in cuts][-1:] in ([], [len(expression)]) or cuts[-1].open


@settings(max_examples=150, deadline=None)
@given(st.text("ab()[]|?*+{}1,\\^$<HOST>/F-U:#P=!.", max_size=20), st.text(max_size=10))
def test_whatever_the_expression_nothing_is_raised(expression: str, text: str) -> None:
    try:
        filter_ = Filter(FilterSettings((expression + "<HOST>",)))
    except RegexError:
        return
    Closest(filter_).find(Line(text, text, None))
