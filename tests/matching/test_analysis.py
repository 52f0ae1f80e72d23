"""What an attacker could do with an expression, proven by a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.config.jails import load
from banish.errors import RegexError
from banish.matching.analysis import FORGED, FORGED6, Forgery, blamed, forgery, pumps
from banish.matching.filter import Filter, FilterSettings
from banish.matching.specimen import REAL, REAL6, specimens

DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"


def judge(*failregex: str, prefregex: str = "", ignoreregex: tuple[str, ...] = ()) -> Filter:
    return Filter(FilterSettings(failregex=failregex, prefregex=prefregex, ignoreregex=ignoreregex))


def proven(found: Forgery | None, by: Filter) -> Forgery:
    """The proof holds: both addresses are in the line, and the filter picks the attacker's."""
    assert found is not None
    assert found.real in found.line
    assert found.chosen in found.line
    assert found.forged in found.chosen
    assert blamed(by, found.line) == found.forged
    return found


@pytest.mark.parametrize(
    "regex",
    [
        "Failed password from <HOST>",
        "rhost=<HOST> ",
        "^Failed for .* from <HOST>",
        "^Failed for .* from <HOST> .*$",
        "^Failed for .*? from <HOST>(?: .*)?$",
        "^Failed for <F-USER>.*</F-USER> from <ADDR>: .*$",
        "^Failed (?:for user .*)? from <HOST>\\b",
        "(?i)^failed .* FROM <HOST>",
        "^User (?:\\S+|.*) from <HOST> not allowed because [^:]+$",
        '^agent="[^"]*" .*client=<HOST>, .*$',
    ],
)
def test_a_forgeable_expression_is_proven_to_be(regex: str) -> None:
    found = judge(regex)
    proof = proven(forgery(found, 0), found)
    assert (proof.real, proof.forged) == (REAL, FORGED)


@pytest.mark.parametrize(
    "regex",
    [
        "^Failed for \\S+ from <HOST>$",
        "^Failed for .* from <HOST>$",
        "^Failed for .*? from <HOST>(?: port \\d+)?$",
        "^<HOST> .*$",
        "^Failed for [^:]* from <HOST>: .*$",
        "^Failed for \\S+ from <HOST> .*$",
        '^client <HOST>: .*"GET [^"]*"',
        "^user <F-USER>[^']*</F-USER>' from <HOST>: ",
        "^Disconnected <F-MLFID>\\d+</F-MLFID>",
        "^(?!.*from.*from)Failed .* from <HOST>",
    ],
)
def test_what_cannot_be_forged_is_not_accused(regex: str) -> None:
    assert forgery(judge(regex), 0) is None


def test_a_forgery_has_to_pass_all_of_the_filter() -> None:
    open_ended = "^Failed for .* from <HOST>"
    assert forgery(judge(open_ended), 0) is not None
    assert forgery(judge(open_ended, ignoreregex=("from .* from",)), 0) is None
    assert forgery(judge("^Gone <HOST>", open_ended), 1) is not None


def test_a_prefix_that_takes_a_sentence_is_forged_by_the_message() -> None:
    tight = judge("^Failed from <HOST>(?: .*)?$", prefregex="^\\S+ sshd\\[\\d+\\]: <F-CONTENT>.+</F-CONTENT>$")
    assert forgery(tight, 0) is None
    loose = judge("^Failed from <HOST>(?: .*)?$", prefregex="^.*sshd\\[\\d+\\]: <F-CONTENT>.+</F-CONTENT>$")
    proof = proven(forgery(loose, 0), loose)
    assert proof.line.count("sshd[1]: Failed from ") == 2


def test_an_expression_for_ipv6_alone_is_forged_with_one() -> None:
    found = judge("^Failed .* from <IP6>")
    proof = proven(forgery(found, 0), found)
    assert (proof.real, proof.forged) == (REAL6, FORGED6)


def test_a_session_is_judged_by_whom_a_line_names() -> None:
    found = judge("^(?P<mlfid>\\d+) <F-NOFAIL>Connection</F-NOFAIL> by .* from <HOST>")
    proven(forgery(found, 0), found)


@pytest.mark.parametrize("mode", ["normal", "ddos", "extra", "aggressive"])
def test_the_packaged_sshd_filter_leaves_forgers_one_door_that_is_locked_elsewhere(tmp_path: Path, mode: str) -> None:
    (tmp_path / "jail.local").write_text(f"[sshd]\nenabled = true\nmode = {mode}\n")
    (jail,) = load(tmp_path, DATA).jails
    sshd = Filter(jail.settings.filter)
    forgeable = [regex for index, regex in enumerate(sshd.settings.failregex) if forgery(sshd, index) is not None]
    # sshd writes this for names of its own user database alone, and those have no blanks.
    assert [regex for regex in forgeable if "not allowed because [^:]+$" not in regex] == []


def test_specimens_are_lines_that_the_expression_finds() -> None:
    found = judge(
        "^(?:aa|bb)?(?:x \\d{2,}|y) <F-USER>\\S*</F-USER>(?:, [a-c]+)* (?P<q>['\"])z(?P=q) <HOST>(?: port \\d+)?$"
    )
    (pattern,) = found.failregex
    lines = [specimen.text for specimen in specimens(pattern)]
    assert all(pattern.search(line) for line in lines)
    assert f'x 11 x "z" {REAL}' in lines
    assert any(line.startswith("a") for line in lines)
    assert any(line.startswith("b") for line in lines)
    assert any("y " in line for line in lines)
    assert any(", " in line for line in lines)
    assert any(line.endswith(" port 1") for line in lines)
    for specimen in specimens(pattern):
        assert specimen.address is not None
        assert specimen.text[slice(*specimen.address)] == REAL


def texts(regex: str) -> set[tuple[str, str]]:
    return {(pump.before, pump.turn) for pump in pumps(judge(regex), 0)}


@pytest.mark.parametrize(
    ("regex", "pump"),
    [
        ("^(a+)+<HOST>", ("", "a")),
        ("^user (\\w+ ?)* <HOST>", ("user ", "x")),
        ("^(?:ab|a|b)*<HOST>", ("", "ab")),
        ("^.* .* <HOST>", ("", " ")),
        ("^x\\S*,\\S*,<HOST>", ("x", ",")),
        ("^.*\\s*.*<HOST>", ("", " ")),
    ],
)
def test_what_two_repeats_may_share_is_proposed(regex: str, pump: tuple[str, str]) -> None:
    assert pump in texts(regex)


@pytest.mark.parametrize("regex", ["^Failed \\S+ for \\S+ from <HOST>$", "^<HOST> .*$", "^\\d+\\s\\w{3} <HOST>"])
def test_plain_expressions_propose_nothing(regex: str) -> None:
    assert texts(regex) == set()


def test_what_the_prefix_does_not_hand_on_is_not_proposed() -> None:
    assert list(pumps(judge("^(a+)+<HOST>", prefregex="^p: <F-CONTENT>.+</F-CONTENT>$"), 0)) != []
    assert list(pumps(judge("^(a+)+<HOST>", prefregex="^p: <F-CONTENT>\\S{1,2}</F-CONTENT>$"), 0)) == []
    assert all(
        pump.line(2) == "p: " + pump.text(2)
        for pump in pumps(judge("^(a+)+<HOST>", prefregex="^p: <F-CONTENT>.+</F-CONTENT>$"), 0)
    )


PARTS = st.sampled_from(
    ["a", "\\S+", ".*", "(?:x|y)?", "[^:]+", "(?P<u>\\w*)", "\\[\\d+\\]", "(?=a)", "(?>b)", "c++", "(?i:d)", "^", "$", " from ", "\\b",
     "(?(u)e|f)", "\\t", "é", "(?P=u)", "(?:g h)*"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS, max_size=6), st.lists(PARTS, max_size=4))
def test_whatever_the_expression_nothing_is_raised_and_every_proof_holds(before: list[str], after: list[str]) -> None:
    try:
        found = judge("".join([*before, "<HOST>", *after]))
    except RegexError:
        return
    proof = forgery(found, 0)
    if proof is not None:
        proven(proof, found)
    for pump in pumps(found, 0):
        assert pump.turn
