"""What is read off expressions: texts that must be in a line."""

from __future__ import annotations

import re
import sys

import pytest

from banish.matching.literals import Cut, Cuts, Literal, factors

NOTHING: Cuts = frozenset()
BEGIN: Cuts = frozenset({Cut()})
ANYWHERE: Cuts = frozenset({Cut(True, True)})


def best(expression: str, cuts: Cuts = NOTHING, encoding: str = "utf-8") -> set[str] | None:
    """The factor that looks rarest; what ignores case stands between tildes."""
    found = factors(re.compile(expression), cuts, encoding)
    return (
        {f"~{text.decode(encoding)}~" if caseless else text.decode(encoding) for text, caseless in found[0]}
        if found
        else None
    )


@pytest.mark.parametrize(
    ("expression", "literals"),
    [
        (r"^Failed \S+ for .* from \d+$", {"Failed "}),
        (r"(?:foo|bar)baz", {"foobaz", "barbaz"}),
        (r"(?:foo\d|bars+x|quux)", {"foo", "bar", "quux"}),
        (r"(?:foo|\d+)", None),
        (r"(?:foo)?barbar", {"barbar"}),
        (r"(?:foo)+", {"foo"}),
        (r"(?:foo)*", None),
        (r"(?:foo){0,3}", None),
        (r"(?:foo){2,}\d", {"foo"}),
        (r"[aA]uthentication \w+ failure", {"authentication ", "Authentication "}),
        (r"inv[^x]alid", {"alid"}),
        (r"a\d+b", None),
        (r"foo\b bar", {"foo bar"}),
        (r"foo(?=xyz)bar", {"foobar"}),
        (r"x(?!refused)y", None),
        (r"(?<=before )after", {"after"}),
        (r"(?>foo|foobar)x", {"foox", "foobarx"}),
        (r"(?P<a>left)right", {"leftright"}),
        (r"(name)\d\1", {"name"}),
        (r"(x)?(?(1)yesyes|nono)", None),
        (r"abc\ndefg$", {"defg"}),
        (r"caféteria", {"teria"}),
        (r"abc\x00defg", {"defg"}),
        (r"", None),
        (r"(?:" + "|".join(f"{n}word" for n in range(10, 50)) + ")", None),
        (r"(?x) with \  spaces # and a comment", {"with spaces"}),
    ],
)  # fmt: skip
def test_what_must_be_in_a_text(expression: str, literals: set[str] | None) -> None:
    assert best(expression) == literals


def test_a_date_may_part_a_literal_only_where_it_may_have_been_cut_out() -> None:
    assert best(r"srv: \[\] failed", BEGIN) == {" failed"}
    assert best(r"srv: \[\] failed", NOTHING) == {"srv: [] failed"}
    assert best(r"some words", frozenset({Cut(after_word=True)})) == {" words"}
    assert best(r"some words", frozenset({Cut(before_word=True)})) == {"some "}
    assert best(r"some words", frozenset({Cut(before_word=True), Cut(after_word=True)})) == {"words"}
    assert best(r"some words", ANYWHERE) is None


def test_case_that_does_not_matter() -> None:
    assert best(r"(?i)Refuse[D]") == {"~refused~", "ſ"}
    assert best(r"(?i:Ban) Ned") == {"~ban ned~"}
    assert best(r"(?i)(?-i:Ban)ana") == {"~banana~"}
    assert best(r"(?i)kind") == {"~kind~", "\u212a", "İ", "ı"}
    assert best(r"(?i)mild", encoding="iso8859-9") == {"~mild~", "İ", "ı"}
    assert best(r"(?i)mild", encoding="iso8859-1") == {"~mild~"}


def test_no_character_beyond_ascii_is_missing_that_stands_for_an_ascii_letter() -> None:
    beyond = [chr(code) for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "".join(beyond)
    for letter in map(chr, range(0x80)):
        pattern = re.compile(re.escape(letter), re.IGNORECASE)
        known = {
            one.text.decode()
            for factor in factors(re.compile(f"(?i)aaa{re.escape(letter)}"), NOTHING)
            for one in factor
        }
        assert set(pattern.findall(text)) <= known, letter


def test_the_longest_comes_first_and_no_literal_holds_another() -> None:
    found = factors(re.compile(r"abc \d+ abcdef(?:x| failed)"), NOTHING)
    assert [sorted(literal.text for literal in factor) for factor in found] == [
        [b" abcdef failed", b" abcdefx"],
        [b"abc "],
    ]
    (only,) = factors(re.compile(r"(?: for| for invalid)\d"), NOTHING)
    assert only == {Literal(b" for")}
