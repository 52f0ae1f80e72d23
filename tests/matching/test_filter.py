"""The verdict on a line, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import RegexError
from banish.matching.filter import IGNORED, NONE, Filter, FilterSettings, Verdict
from banish.matching.tags import UseDns
from banish.model import Line


def judge(message: str, *failregex: str, at: float = 1000.0, **others: Any) -> Verdict:
    return Filter(FilterSettings(failregex=failregex, **others)).judge(Line(f"Jan 1 {message}", message, at), at)


def who(message: str, expression: str, usedns: UseDns = "warn") -> str | None:
    """``id``, or ``id=network`` where they differ, or ``?name``; None when there is no failure."""
    verdict = judge(message, expression, usedns=usedns)
    if not verdict.matches:
        assert verdict.outcome == "none"
        return None
    (match,) = verdict.matches
    if match.name is not None:
        assert match.id == match.name
        assert match.network is None
        return f"?{match.name}"
    return match.id if match.network is None else f"{match.id}={match.network}"


def test_a_failure_says_who_when_and_by_which_expression() -> None:
    verdict = judge("bad 2001:db8:0::7", "^good <HOST>", "^bad <HOST>$", at=1234.5)
    (match,) = verdict.matches
    assert verdict.outcome == "failure"
    assert verdict.regex == match.regex == 1
    assert match.id == "2001:db8::7"
    assert str(match.network) == "2001:db8::7/128"
    assert match.at == 1234.5
    assert match.fields == {"ip6": "2001:db8:0::7"}
    assert match.lines == ("Jan 1 bad 2001:db8:0::7",)
    assert match.name is None


def test_a_line_that_is_nothing_costs_no_object() -> None:
    assert judge("quiet", "^bad <HOST>$") is NONE
    assert judge("quiet", "^bad <HOST>$", prefregex="^daemon") is NONE


def test_the_first_expression_found_wins_even_if_it_leads_to_nobody() -> None:
    assert judge("bad 192.0.2.7", "^bad <HOST>", "^bad <F-ID/>").regex == 0
    assert judge("bad 192.0.2.7", "^worse <HOST>", "^bad <F-ID/>").regex == 1
    assert judge("bad", "^bad ?(?:<HOST>)?", "^<F-ID/>") == Verdict("none", 0)


def test_expressions_see_the_line_end() -> None:
    assert judge("bad 192.0.2.7", r"^bad <HOST>\n$").matches
    assert judge("bad 192.0.2.7", r"^bad <HOST>$").matches
    assert not judge("bad 192.0.2.7", r"^bad <HOST>\Z").matches
    assert not judge("bad 192.0.2.7 ", r"^bad <HOST>$").matches
    assert not judge("x\nbad 192.0.2.7", r"^bad <HOST>$").matches


def test_a_user_name_cannot_pose_as_the_address() -> None:
    (match,) = judge("bad from 192.0.2.9 from 192.0.2.7", "^bad <F-USER>.*</F-USER> from <HOST>$").matches
    assert (match.id, match.fields["user"]) == ("192.0.2.7", "from 192.0.2.9")


# --- prefregex ---

CONTENT = "^daemon: <F-CONTENT>.*</F-CONTENT>$"


def test_content_takes_the_lines_place() -> None:
    (match,) = judge("daemon: bad 192.0.2.7", "^bad <HOST>$", prefregex=CONTENT).matches
    assert match.fields == {"ip4": "192.0.2.7"}
    assert match.lines == ("Jan 1 daemon: bad 192.0.2.7",)


def test_content_is_given_a_line_end_too() -> None:
    assert judge("daemon: bad 192.0.2.7", r"^bad <HOST>\n$", prefregex=CONTENT).matches
    assert not judge("daemon: bad 192.0.2.7", r"^bad <HOST>\Z", prefregex=CONTENT).matches


def test_content_may_have_alternatives() -> None:
    either = "^daemon: (?:<F-CONTENT>bad.*</F-CONTENT>|<F-ALT_CONTENT>odd.*</F-ALT_CONTENT>)$"
    alone = "^daemon: <F-ALT_CONTENT_1>odd.*</F-ALT_CONTENT_1>$"
    for line, prefregex in (("bad 192.0.2.7", either), ("odd 192.0.2.7", either), ("odd 192.0.2.7", alone)):
        assert judge(f"daemon: {line}", "^(?:bad|odd) <HOST>$", prefregex=prefregex).matches


def test_empty_or_absent_content_leaves_the_line() -> None:
    for prefregex in (r"^bad<F-CONTENT>\d*</F-CONTENT>", r"^bad(?:<F-CONTENT>\d</F-CONTENT>)?", "^bad"):
        assert judge("bad 192.0.2.7", "^bad <HOST>$", prefregex=prefregex).matches


def test_groups_of_the_prefregex_are_overwritten_by_what_the_failregex_captured() -> None:
    prefix = "^<HOST>: <F-USER>.*</F-USER>: <F-CONTENT>.*</F-CONTENT>$"
    expressions = ("^bad <F-USER>.*</F-USER>(?: <HOST>)?$", r"^odd(?: <HOST>)?$")
    cases = {
        "192.0.2.7: root: bad bob": {"ip4": "192.0.2.7", "user": "bob"},
        "192.0.2.7: root: bad ": {"ip4": "192.0.2.7", "user": ""},
        "192.0.2.7: root: odd 192.0.2.8": {"ip4": "192.0.2.8", "user": "root"},
        "192.0.2.7: root: odd": {"ip4": "192.0.2.7", "user": "root"},
    }
    for message, fields in cases.items():
        (match,) = judge(message, *expressions, prefregex=prefix).matches
        assert match.fields == fields


# --- ignoreregex ---


def test_an_ignoreregex_drops_what_an_expression_found() -> None:
    assert judge("bad 192.0.2.7 ok", "^bad <HOST>", ignoreregex=("ok$",)) == Verdict("ignored", 0)
    assert judge("bad 192.0.2.7", "^bad <HOST>", ignoreregex=("never", "ok$")).matches
    assert judge("quiet ok", "^bad <HOST>", ignoreregex=("ok$",)) is NONE


def test_an_ignoreregex_sees_the_content_when_there_are_few_expressions() -> None:
    few = ("^bad <HOST>", "^b <HOST>", "^c <HOST>")
    assert judge("daemon: bad 192.0.2.7", *few, prefregex=CONTENT, ignoreregex=("^daemon",)).matches
    assert judge("daemon: bad 192.0.2.7", *few, prefregex=CONTENT, ignoreregex=("^bad",)) == Verdict("ignored", 0)


def test_an_ignoreregex_is_tried_first_on_the_whole_line_when_there_are_many_expressions() -> None:
    many = ("^bad <HOST>", "^b <HOST>", "^c <HOST>", "^d <HOST>")
    assert judge("daemon: bad 192.0.2.7", *many, prefregex=CONTENT, ignoreregex=("^daemon",)) is IGNORED
    assert judge("daemon: bad 192.0.2.7", *many, prefregex=CONTENT, ignoreregex=("^bad",)) == Verdict("ignored", 0)
    assert judge("quiet", *many, ignoreregex=("^quiet",)) is IGNORED


# --- information ---


def test_information_outside_a_session_is_no_failure() -> None:
    assert judge("hello 192.0.2.7", "^<F-NOFAIL>hello</F-NOFAIL> <HOST>") == Verdict("nofail", 0)
    assert judge("hello 192.0.2.7", "^<F-MLFGAINED>hello</F-MLFGAINED> <HOST>") == Verdict("nofail", 0)
    assert judge("hello 192.0.2.7", "^<F-NOFAIL></F-NOFAIL>hello <HOST>").matches


# --- who it was ---


@pytest.mark.parametrize(
    ("message", "expression", "expected"),
    [
        ("192.0.2.7", "^<HOST>$", "192.0.2.7=192.0.2.7/32"),
        ("[2001:DB8::7]", "^<HOST>$", "2001:db8::7=2001:db8::7/128"),
        ("::ffff:192.0.2.7", "^<HOST>$", "192.0.2.7=192.0.2.7/32"),
        ("example.org", "^<HOST>$", "?example.org"),
        ("999.1.1.1", "^<HOST>$", "999.1.1.1"),
        ("192.0.2.01", "^<HOST>$", "192.0.2.01"),
        ("dead:beef", "^<HOST>$", "dead:beef"),
        ("192.0.2.7", "^<DNS>$", "192.0.2.7=192.0.2.7/32"),
        ("::ffff:192.0.2.7", r"^<F-DNS>\S+</F-DNS>$", "192.0.2.7=192.0.2.7/32"),
        ("192.0.2.7/24", "^<SUBNET>$", "192.0.2.0/24=192.0.2.0/24"),
        ("[2001:db8::7/64]", "^<SUBNET>$", "2001:db8::/64=2001:db8::/64"),
        ("192.0.2.7/32", "^<SUBNET>$", "192.0.2.7=192.0.2.7/32"),
        ("192.0.2.7/33", "^<SUBNET>$", "192.0.2.7=192.0.2.7/32"),
        ("192.0.2.7/0", "^<SUBNET>$", "192.0.2.7=192.0.2.7/32"),
        ("999.1.1.1/24", "^<SUBNET>$", "999.1.1.1"),
        ("example.org/24", "^<HOST>/<CIDR>$", "?example.org"),
        ("2001:DB8::7", "^<F-ID/>$", "2001:db8::7=2001:db8::7/128"),
        ("[2001:db8::7]", "^<F-ID/>$", "2001:db8::7=2001:db8::7/128"),
        ("192.0.2.9/24", "^<F-ID/>$", "192.0.2.0/24=192.0.2.0/24"),
        ("192.0.2.9/33", "^<F-ID/>$", "192.0.2.9=192.0.2.9/32"),
        ("0.0.0.0/0", "^<F-ID/>$", "0.0.0.0=0.0.0.0/32"),
        ("::/0", "^<F-ID/>$", "::=::/128"),
        ("192.0.2.9/index.html", "^<F-ID/>$", "192.0.2.9/index.html"),
        ("session-1", "^<F-ID/>$", "session-1"),
        ("10", "^<F-ID/>$", "10"),
        ("", "^<F-ID>.*</F-ID>$", None),
        (" 192.0.2.7", "^<F-ID>.*</F-ID> <HOST>$", "192.0.2.7=192.0.2.7/32"),
        ("192.0.2.7 2001:db8::7", "^<IP4> <IP6>$", "192.0.2.7=192.0.2.7/32"),
        ("2001:db8::7 example.org", "^<IP6> <DNS>$", "2001:db8::7=2001:db8::7/128"),
        ("x example.org", "^<F-ID/> <HOST>$", "?example.org"),
        ("x 192.0.2.7", "^<F-ID/> <DNS>$", "192.0.2.7=192.0.2.7/32"),
        ("a 192.0.2.7", "^<F-TUPLE_ID>a</F-TUPLE_ID> <F-ID/>$", "('192.0.2.7', 'a')"),
        ("b 192.0.2.7", "^(?:<F-TUPLE_ID>a</F-TUPLE_ID>|b) <HOST>$", "192.0.2.7=192.0.2.7/32"),
    ],
)
def test_who_it_was(message: str, expression: str, expected: str | None) -> None:
    assert who(message, expression) == expected


@pytest.mark.parametrize(
    ("usedns", "expected"),
    [("yes", "?example.org"), ("warn", "?example.org"), ("raw", "example.org"), ("no", None)],
)
def test_what_usedns_makes_of_a_name(usedns: UseDns, expected: str | None) -> None:
    assert who("example.org", "^<HOST>$", usedns) == expected
    assert who("example.org", "^<DNS>$", usedns) == expected
    assert who("192.0.2.7", "^<DNS>$", usedns) == "192.0.2.7=192.0.2.7/32"


@pytest.mark.parametrize(
    ("message", "id_", "ip"),
    [
        ("session-1 192.0.2.7", "session-1", "192.0.2.7"),
        ("192.0.2.8 2001:DB8::7", "192.0.2.8", "2001:db8::7"),
        ("2001:DB8::7 2001:db8:0::7", "2001:db8::7", None),
        ("session-1 999.1.1.1", "session-1", "999.1.1.1"),
    ],
)
def test_an_id_beside_an_address_is_the_id_and_the_address_is_told(message: str, id_: str, ip: str | None) -> None:
    (match,) = judge(message, "^<F-ID/> <HOST>$").matches
    assert match.id == id_
    assert match.fields.get("ip") == ip


@pytest.mark.parametrize(
    ("message", "user"),
    [("a:b:c", "a"), (":b:c", "b"), ("::c", "c"), ("::", "")],
)
def test_the_first_alternative_that_is_not_empty_is_the_user(message: str, user: str) -> None:
    expression = r"^<F-USER>\w*</F-USER>:<F-ALT_USER>\w*</F-ALT_USER>:<F-ALT_USER_1>\w*</F-ALT_USER_1> <HOST>$"
    (match,) = judge(f"{message} 192.0.2.7", expression).matches
    assert match.fields["user"] == user


def test_an_alternative_may_stand_for_an_address() -> None:
    (match,) = judge("by 192.0.2.7", r"^by <F-ALT_IP4>\S+</F-ALT_IP4>(?: <HOST>)?$").matches
    assert match.id == "192.0.2.7"


def test_a_compound_id_says_what_is_missing() -> None:
    expression = r"^<F-TUPLE_ID_2>b</F-TUPLE_ID_2>(?:<F-TUPLE_ID_1>a</F-TUPLE_ID_1>)?(?:<F-ID>i</F-ID>)? <HOST>$"
    ids = [judge(f"{text} 192.0.2.7", expression).matches[0].id for text in ("b", "ba", "bi", "bai")]
    assert ids == ["(None, None, 'b')", "(None, 'a', 'b')", "('i', None, 'b')", "('i', 'a', 'b')"]


# --- the whole ---


def test_a_filter_that_cannot_be_used_says_which_expression() -> None:
    cases: list[tuple[FilterSettings, str, int]] = [
        (FilterSettings(failregex=("^<HOST>", "(<HOST>")), "failregex", 1),
        (FilterSettings(failregex=("^<HOST>",), ignoreregex=("a", "b", "c)")), "ignoreregex", 2),
        (FilterSettings(failregex=("^<HOST>",), prefregex="["), "prefregex", 0),
        (FilterSettings(failregex=("^bad",), prefregex="^<F-CONTENT>.*</F-CONTENT>"), "failregex", 0),
    ]
    for unusable, option, index in cases:
        with pytest.raises(RegexError) as caught:
            Filter(unusable)
        assert (caught.value.problem.option, caught.value.index) == (option, index)


def test_the_prefregex_may_name_the_offender() -> None:
    (match,) = judge("192.0.2.7 bad", "bad$", prefregex="^<HOST> ").matches
    assert match.id == "192.0.2.7"


def test_a_prefilter_finds_every_expression_compiled() -> None:
    full = Filter(FilterSettings(failregex=("^a <HOST>", "^b <HOST>"), ignoreregex=("c",), prefregex="d"))
    assert [pattern.groups for pattern in full.failregex] == [3, 3]
    assert [pattern.pattern for pattern in full.ignoreregex] == ["c"]
    assert full.prefregex is not None
    assert full.prefregex.pattern == "d"
    assert Filter(FilterSettings()).prefregex is None


FILTERS = tuple(
    Filter(FilterSettings(**parts))
    for parts in (
        {"failregex": ("^<HOST>", "<F-ID/>$", "^<SUBNET>"), "ignoreregex": ("ok",)},
        {
            "failregex": ("<SUBNET>", "<DNS>"),
            "prefregex": "^<F-MLFID>.</F-MLFID><F-CONTENT>.*</F-CONTENT>",
            "usedns": "raw",
        },
        {
            "failregex": (r"(?s)<F-MLFID>\S*</F-MLFID>(?:<F-NOFAIL>n</F-NOFAIL>)?.*<F-ID>.*</F-ID> <HOST>?",),
            "usedns": "no",
        },
    )
)


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f:.\[\]/ n]{0,40}", fullmatch=True), st.floats(0, 1e6))
@settings(max_examples=150)
def test_no_line_raises(text: str, at: float) -> None:
    for each in FILTERS:
        verdict = each.judge(Line(text, text, at), at)
        assert (verdict.outcome == "failure") == bool(verdict.matches)
        assert all(match.id for match in verdict.matches)
        assert all(value is not None for match in verdict.matches for value in match.fields.values())
