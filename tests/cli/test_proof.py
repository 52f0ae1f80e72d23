"""Weaknesses proven in another process."""

from __future__ import annotations

import pytest

from banish.cli.proof import LONGEST, Prover, Weaknesses
from banish.matching.filter import FilterSettings


def ask(*failregex: str, index: int | None = 0, prefregex: str = "") -> Weaknesses:
    with Prover() as prover:
        return prover.ask(FilterSettings(failregex=failregex, prefregex=prefregex), index)


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
    settings = {"prefregex": "^(?:\\w+\\s*)+: <F-CONTENT>.+</F-CONTENT>$"}
    assert ask("^Failed <HOST>$", index=None, **settings).slow is not None
    assert ask("^Failed <HOST>$", index=0, **settings).slow is None


def test_a_forgery_comes_back_as_it_was_found() -> None:
    found = ask("^Gone <HOST>$", "^Failed .* from <HOST>", index=1).forgery
    assert found is not None
    assert found.real in found.line
    assert found.forged in found.chosen


def test_a_process_that_died_is_replaced() -> None:
    with Prover() as prover:
        good = FilterSettings(failregex=("^Failed .* from <HOST>",))
        assert prover.ask(good, 0).forgery is not None
        process = prover._process
        assert process is not None
        process.kill()
        process.wait()
        assert prover.ask(good, 0) == Weaknesses()
        assert prover.ask(good, 0).forgery is not None
    assert prover._process is None


def test_what_does_not_compile_has_no_weakness() -> None:
    assert ask("^(<HOST>") == Weaknesses()
