"""Tags: what each becomes, what stays text, and how an unusable expression is told."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import RegexError
from banish.matching.tags import RegexOption, UseDns, compile_expression, expand


def groups(expression: str, text: str, usedns: UseDns = "warn") -> dict[str, str] | None:
    """The groups that took part when *expression* is found in *text*; None when it is not found."""
    found = re.search(expand(expression, usedns).text, text)
    return None if found is None else {name: value for name, value in found.groupdict().items() if value is not None}


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("^<HOST>$", "192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<HOST>$", "[192.0.2.7]", {"ip4": "192.0.2.7"}),
        ("^<HOST>$", "999.1.1.1", {"ip4": "999.1.1.1"}),
        ("^<HOST>$", "1234.1.1.1", {"dns": "1234.1.1.1"}),
        ("^<HOST>$", "::ffff:192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<HOST>$", "::fffff:192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<HOST>$", "[::ffff:192.0.2.7]", {"ip4": "192.0.2.7"}),
        ("^<HOST>$", "::FFFF:192.0.2.7", None),
        ("^<HOST>$", "2001:db8::1", {"ip6": "2001:db8::1"}),
        ("^<HOST>$", "[2001:DB8::1]", {"ip6": "2001:DB8::1"}),
        ("^<HOST>$", "1:2:3:4:5:6:7:8", {"ip6": "1:2:3:4:5:6:7:8"}),
        ("^<HOST>$", "1:2:3:4:5:6:7:8:9", None),
        ("^<HOST>$", "::1", {"ip6": "::1"}),
        ("^<HOST>$", "::", {"ip6": "::"}),
        ("^<HOST> ", "::2:3:4:5:6:7:8 x", {"ip6": "::2:3:4:5:6:7:8"}),
        ("^<HOST>", "::2:3:4:5:6:7:8", {"ip6": "::2:3:4:5:6:7:8"}),
        ("^<HOST>$", "1:2:3:4:5:6:7::", {"ip6": "1:2:3:4:5:6:7::"}),
        ("^<HOST>$", "2001:db8::", {"ip6": "2001:db8::"}),
        ("^<HOST>$", "1:", None),
        ("^<HOST>$", "12345::", None),
        ("^<HOST>$", "2001:db8::1%eth0", None),
        ("^<HOST>$", "mail-1.example.org", {"dns": "mail-1.example.org"}),
        ("^<HOST>$", "a_b^c", {"dns": "a_b^c"}),
        ("^<HOST>$", "example.org.", None),
        ("^<HOST>$", "a/b", None),
        ("^<ADDR>$", "192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<ADDR>$", "example.org", None),
        ("^<IP4>$", "192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<IP4>$", "[192.0.2.7]", None),
        ("^<IP4>$", "2001:db8::1", None),
        ("^<IP6>$", "2001:db8::1", {"ip6": "2001:db8::1"}),
        ("^<IP6>$", "192.0.2.7", None),
        ("^<DNS>$", "192.0.2.7", {"dns": "192.0.2.7"}),
        ("^<ADDR>/<CIDR>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<SUBNET>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<SUBNET>$", "[2001:db8::/32]", {"ip6": "2001:db8::", "cidr": "32"}),
        ("^<SUBNET>$", "[2001:db8::]/32", None),
        ("^<SUBNET>$", "192.0.2.7", {"ip4": "192.0.2.7"}),
        ("^<F-IP4/> <F-IP6/> <F-DNS/>$", "192.0.2.7 ::1 a", {"ip4": "192.0.2.7", "ip6": "::1", "dns": "a"}),
        ("^<F-ADDR/>$", "[192.0.2.7]", {"ip4": "192.0.2.7"}),
        ("^<F-SUBNET/>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<F-IP4/>/<F-CIDR/>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<F-ID/> <F-PORT/>$", "a@b 22", {"fid": "a@b", "fport": "22"}),
        ("^<F-ID>a b</F-ID> <F-PORT>x</F-PORT>$", "a b x", {"fid": "a b", "fport": "x"}),
        ("^<F-USER>root|.*?</F-USER>!", "bob!", {"user": "bob"}),
        ("^<F-USER2>.</F-USER2><F-_A>.</F-_A>", "ab", {"user2": "a", "_a": "b"}),
        ("^<F-A>a<F-B>b</F-B></F-A>$", "ab", {"a": "ab", "b": "b"}),
        ("^<F-A>.</F-A>(?P=a)$", "aa", {"a": "a"}),
        ("^a</F-A>$", "a</F-A>", {}),
        ("^<F-user>a</F-user>$", "<F-user>a</F-user>", {}),
        ("^<F-USER/>$", "<F-USER/>", {}),
        ("^<F-HOST/>$", "<F-HOST/>", {}),
        ("^<host> <b> <F->$", "<host> <b> <F->", {}),
        (r"^from \<<HOST>\>$", "from <192.0.2.7>", {"ip4": "192.0.2.7"}),
        ("^a<SKIPLINES>b", "a\nb", {"skiplines0": ""}),
        ("^a<SKIPLINES>b", "a\n\nfoo\nb", {"skiplines0": "\nfoo\n"}),
        ("^a<SKIPLINES>b", "ab", None),
        ("^a<SKIPLINES>b", "a\nfoob", None),
        ("^a<SKIPLINES>b<SKIPLINES>c", "a\nb\nx\nc", {"skiplines0": "", "skiplines1": "x\n"}),
    ],
)
def test_tag(expression: str, text: str, expected: dict[str, str] | None) -> None:
    assert groups(expression, text) == expected


def test_host_matches_no_names_when_usedns_is_no() -> None:
    assert groups("^<HOST>$", "example.org", usedns="no") is None
    assert groups("^<HOST>$", "[2001:db8::1]", usedns="no") == {"ip6": "2001:db8::1"}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("((?i)fail)", "FAIL"),
        ("(?:(?i)fail)", "FAIL"),
        ("(((?i)fa(?:il)))", "FAIL"),
        ("(?i)fail", "FAIL"),
        ("x((?x) f a il)", "xfail"),
        (r"((?i)fail\))", "FAIL)"),
        ("((?is)a.b|c)", "A\nB"),
    ],
)
def test_flags_at_the_start_of_a_group_hold_for_that_group(expression: str, text: str) -> None:
    assert compile_expression(expression, "ignoreregex").search(text)


def test_flags_of_a_group_end_with_it() -> None:
    assert not compile_expression("((?i)fail) now", "ignoreregex").search("FAIL NOW")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("( <HOST>", "failregex = ( <HOST>: does not compile: missing ), unterminated subpattern at position 0"),
        ("<HOST> <F-A>x (", "missing ), unterminated subpattern at position 14"),
        ("<HOST> [z-a]", "bad character range z-a at position 8"),
        ("<HOST> <HOST>", "the group 'ip4' is there twice at position 7 (use <HOST> or <ADDR> once)"),
        ("<F-A>.</F-A><F-A>.</F-A> <HOST>", "the group 'a' is there twice at position 12 (give one of them"),
        ("^(?i)fail <HOST>", "global flags not at the start of the expression at position 1 (put the flags first"),
        ("<F-USER-X>a</F-USER-X> <HOST>", "bad character in group name 'user-x' at position 0 (an <F-…> name"),
        ("^Failed$", "no failure-id group (no <HOST>, <ADDR>, <F-ID> or <F-MLFID> is in it or in prefregex; add one)"),
        ("(?P<host>.+)", "no failure-id group"),
        ("  ", "the expression is empty"),
        ("<HOST>{99999999999999999999}", "does not compile: the repetition number is too large"),
        ("(?au)<HOST>", "does not compile:"),
    ],
)
def test_an_unusable_expression_is_told_with_place_and_remedy(expression: str, told: str) -> None:
    with pytest.raises(RegexError) as caught:
        compile_expression(expression, "failregex", 3)
    assert told in str(caught.value)
    assert caught.value.index == 3
    assert caught.value.problem.option == "failregex"
    assert caught.value.problem.value == expression


@pytest.mark.parametrize("option", ["prefregex", "ignoreregex"])
def test_only_a_failregex_needs_a_failure_id(option: RegexOption) -> None:
    assert compile_expression("^x", option).search("x")


def test_the_prefregex_may_bring_the_failure_id() -> None:
    assert compile_expression("^x", "failregex", prefix_groups=["mlfid", "user"]).search("x")


def test_an_expression_that_only_looks_odd_is_no_error() -> None:
    assert compile_expression("[[a-z] <HOST>", "failregex").search("a 192.0.2.7")


def test_with_several_lines_the_anchors_are_those_of_every_line() -> None:
    assert compile_expression("^b$", "ignoreregex", multiline=True).search("a\nb\nc")
    assert not compile_expression("^b$", "ignoreregex").search("a\nb\nc")


SNIPPETS = st.sampled_from(
    [
        "<HOST>",
        "<ADDR>",
        "<F-ID/>",
        "<F-USER>",
        "</F-USER>",
        "<SKIPLINES>",
        "((?i)",
        "(?i)",
        "(",
        ")",
        "[",
        "]",
        "\\",
        "|",
        "*",
    ]
)


@given(st.lists(SNIPPETS | st.text(max_size=5), max_size=12).map("".join), st.sampled_from(["yes", "no"]))
@settings(max_examples=200)
def test_no_text_is_more_than_a_regex_error(expression: str, usedns: UseDns) -> None:
    with contextlib.suppress(RegexError):
        compile_expression(expression, "failregex", usedns=usedns)
    expansion = expand(expression, usedns)
    origins = [expansion.origin(position) for position in range(len(expansion.text) + 1)]
    assert all(0 <= origin <= len(expression) for origin in origins)
    assert origins == sorted(origins)
