"""Weaknesses proven in another process."""

from __future__ import annotations

import pytest

from banish.cli.proof import LONGEST, Prover, Question, Weaknesses, ask_all
from banish.matching.filter import FilterSettings


def ask(*failregex: str, option: str = "failregex", index: int = 0, prefregex: str = "") -> Weaknesses:
    with Prover() as prover:
        return prover.ask(Question(option, index, FilterSettings(failregex=failregex, prefregex=prefregex)))


@pytest.mark.parametrize(
    "regex", ["^(a+)+<HOST>$", "^(?:\\w+\\s*)+ from <HOST>$", "^(?:a|b|ab)*c<HOST>", "^x(?:\\S+ ?)*: <HOST>$"]
)
def test_an_exponential_expression_is_caught_with_a_short_line(regex: str) -> None:
    slow = ask(regex).slow
    assert slow is not None
    assert slow.characters == len(slow.line) < 100


def test_many_wildcards_in_a_row_are_caught_with_a_longer_one() -> None:
    slow = ask("^.* .* .* .*: <HOST>$").slow
    assert slow is not None
    assert 20 < slow.characters <= LONGEST


@pytest.mark.parametrize(
    "regex", ["^Failed \\S+ for .* from <HOST>$", "^(?:\\S+ )*user=\\S+ from <HOST>$", "^.*: <HOST>"]
)
def test_a_quick_expression_is_not_accused(regex: str) -> None:
    assert ask(regex).slow is None


def test_the_prefregex_is_measured_on_its_own() -> None:
    prefregex = "^(?:\\w+\\s*)+: <F-CONTENT>.+</F-CONTENT>$"
    assert ask("^Failed <HOST>$", option="prefregex", prefregex=prefregex).slow is not None
    assert ask("^Failed <HOST>$", prefregex=prefregex).slow is None


def test_a_forgery_comes_back_as_it_was_found() -> None:
    found = ask("^Gone <HOST>$", "^Failed .* from <HOST>", index=1).forgery
    assert found is not None
    assert found.real in found.line
    assert found.forged in found.chosen


def test_a_process_that_died_is_replaced() -> None:
    with Prover() as prover:
        good = Question("failregex", 0, FilterSettings(failregex=("^Failed .* from <HOST>",)))
        assert prover.ask(good).forgery is not None
        process = prover._process
        assert process is not None
        process.kill()
        process.wait()
        assert prover.ask(good) == Weaknesses()
        assert prover.ask(good).forgery is not None
    assert prover._process is None


def test_what_does_not_compile_has_no_weakness() -> None:
    assert ask("^(<HOST>") == Weaknesses()


def test_an_ignoreregex_and_a_date_pattern_are_measured_too() -> None:
    settings = FilterSettings(failregex=("^Failed <HOST>$",), ignoreregex=("^quick$", "^(?:\\w+\\s*)+: spared$"))
    questions = [
        Question("ignoreregex", 0, settings),
        Question("ignoreregex", 1, settings),
        Question("datepattern", 0, FilterSettings(), "{^LN-BEG}"),
        Question("datepattern", 0, FilterSettings(), "^(?:\\w+\\s*)+\\[({DATE})"),
        Question("datepattern", 0, FilterSettings(), "%Q"),
    ]
    assert [found.slow is not None for found in ask_all(questions)] == [False, True, False, True, False]
    assert list(ask_all([])) == []
