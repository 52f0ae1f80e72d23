"""What PCRE2 finds is what ``re`` finds, or it is not asked."""

from __future__ import annotations

import random
import re

import pytest

from banish.errors import RegexError
from banish.matching.filter import Filter, FilterSettings, Sighting
from banish.matching.fused.program import Program, Refusal, program
from banish.model import Line
from tests.matching.fused.both import rows

DATES = re.compile(r"^(\d_)")
DATE = "7_"
"""Ends in a letter, as ``\\b`` sees it: what follows must not notice."""


def made(*failregex: str, prefregex: str = "") -> tuple[Filter, Program | Refusal]:
    judge = Filter(FilterSettings(failregex=failregex, prefregex=prefregex))
    return judge, program(judge, DATES)


def same(judge: Filter, fused: Program, *messages: str) -> list[Sighting | None]:
    """Return what is found in *messages*, the same both ways."""
    data = "".join(f"{DATE}{message}\n" for message in messages).encode()
    found = []
    for (row, date), message in zip(rows(fused, data), messages, strict=True):
        assert row[-1] == DATE + message
        assert date == DATE
        sight, _ = fused.marks[row[0]] or (None, None)
        found.append(sight(row) if sight else None)
    for message, sighting in zip(messages, found, strict=True):
        plain = judge.find(Line(DATE + message, message, 7.0))
        assert sighting == (plain if isinstance(plain, Sighting) else None), message
    return found


def hits(expression: str, *messages: str, prefregex: str = "") -> list[bool]:
    judge, fused = made(expression, prefregex=prefregex)
    assert isinstance(fused, Program)
    return [found is not None for found in same(judge, fused, *messages)]


def reason(*failregex: str, prefregex: str = "") -> str:
    _, fused = made(*failregex, prefregex=prefregex)
    assert isinstance(fused, Refusal)
    return fused.reason


def test_white_space_is_what_python_takes_for_it() -> None:
    texts = [f" {space}x" for space in "\t\x0b\x0c\x1c\x1d \x00\x08\x1bz"]
    assert hits(r"^ \s(?P<fid>x)", *texts[:6], *texts[7:]) == [True] * 6 + [False] * 3


def test_the_end_is_before_the_newline_or_behind_it() -> None:
    assert hits(r"^ (?P<fid>a)$", " a", " ab", " a ") == [True, False, False]
    assert hits(r"^ (?P<fid>a)\s$", " a", " a ", " a  ") == [True, True, False]
    assert hits(r"^ (?P<fid>a)\s+$", " a", " a ", " a  ") == [True, True, True]
    assert hits(r"^ (?P<fid>a)\Z", " a") == [False]
    assert hits(r"^ (?P<fid>a)\s\Z", " a", " a ") == [True, False]
    assert hits(r"^ (?P<fid>a)[^b]$", " a", " ac") == [True, True]
    assert hits(r"^ (?P<fid>a)\n", " a", " ab") == [True, False]
    assert hits(r"^ (?P<fid>a\s?)$", " a", " a ") == [True, True]
    assert hits(r"(?P<fid>a)\b", " a", " ab") == [True, False]


def test_a_group_may_capture_the_newline() -> None:
    judge, fused = made(r"^ (?P<fid>a\s+)", r"^ (?P<fid>b[^x]*)$", r"^ (?P<fid>c(?s:.+))")
    assert isinstance(fused, Program)
    found = same(judge, fused, " a", " a ", " b", " bc", " bx", " c", " cd")
    assert [each.fields["fid"] if each else None for each in found] == [
        "a\n",
        "a \n",
        "b\n",
        "bc\n",
        None,
        "c\n",
        "cd\n",
    ]


def test_an_expression_does_not_leave_its_line() -> None:
    assert hits(r"(?P<fid>a)[^z]*b", " a", "b", " a b") == [False, False, True]
    assert hits(r"(?P<fid>a)\s*\S*\s*b", " a", "b", " a b") == [False, False, True]
    assert hits(r"^ (?P<fid>a)(?!\s*b)", " a", "b") == [True, False]
    assert hits(r"^(?P<fid>b)", " a", "b", "") == [False, True, False]


def test_groups_that_took_no_part_are_told_from_empty_ones() -> None:
    judge, fused = made(r"^ (?:(?P<a>x*)y)?(?P<b>z*)?-(?P<fid>(?P<c>\d)|(?P<d>\w*))(?(c)(?P<e>!*)|\?)")
    assert isinstance(fused, Program)
    fields = [each.fields if each else None for each in same(judge, fused, " y-1", " -1!", " xyz-?", " -a?", " -a")]
    assert fields == [
        {"a": "", "b": "", "fid": "1", "c": "1", "e": ""},
        {"b": "", "fid": "1", "c": "1", "e": "!"},
        {"a": "x", "b": "z", "fid": "", "d": ""},
        {"b": "", "fid": "a", "d": "a"},
        None,
    ]


def test_groups_of_one_text_need_no_capture_but_are_there() -> None:
    judge, fused = made(r"^ (?P<x><(?P<nofail>no)>) (?P<fid>\d+)(?P<y>)(?P<t>t)?(?i:(?P<i>q))$")
    assert isinstance(fused, Program)
    found = same(judge, fused, " <no> 1q", " <no> 2tQ", " <no> x")
    assert [each and each.fields for each in found] == [
        {"x": "<no>", "nofail": "no", "fid": "1", "y": "", "i": "q"},
        {"x": "<no>", "nofail": "no", "fid": "2", "y": "", "t": "t", "i": "Q"},
        None,
    ]


def test_groups_made_from_others() -> None:
    judge, fused = made(
        r"^<F-USER>\w*</F-USER>:<F-ALT_USER_1>\w*</F-ALT_USER_1> (?:<F-TUPLE_ID>\w+</F-TUPLE_ID>)?-<ADDR>",
        prefregex=r"^ (?:<F-ALT_USER>p</F-ALT_USER>)?<F-CONTENT>.+</F-CONTENT>$",
    )
    assert isinstance(fused, Program)
    found = same(judge, fused, " :x -192.0.2.1", " u:x t-192.0.2.1", " pu: t-::1", " p: -::1", " : -::1")
    assert all(found)


def test_the_prefix_is_found_first_and_never_again() -> None:
    greedy = r"^ (?:a|ab)<F-CONTENT>.+</F-CONTENT>$"
    assert hits("^(?P<fid>c)", " abc", " ac", prefregex=greedy) == [False, True]
    assert hits("^(?P<fid>bc)", " abc", prefregex=greedy) == [True]
    lazy = r"x.*?: <F-CONTENT>.+</F-CONTENT>$"
    assert hits("^(?P<fid>c)", " x: a: c", " xx: c", " x: c", prefregex=lazy) == [False, True, True]
    assert hits("^(?P<fid>c)", " x: b: c", prefregex=r"x.*: <F-CONTENT>.+</F-CONTENT>$") == [True]
    assert hits("^(?P<fid>c)", " x: y: c", prefregex=r"x.*(?<=[xy]): <F-CONTENT>.+</F-CONTENT>$") == [True]


def test_the_prefix_gives_way_to_what_the_content_needs_but_to_no_more() -> None:
    spaces = r"^ a\s*<F-CONTENT>.+</F-CONTENT>$"
    assert hits("^(?P<fid>.)", " a  ", " a", " a b", prefregex=spaces) == [True, False, True]
    two = r"^ \w*<F-CONTENT>[ab].{2,}</F-CONTENT>$"
    assert hits("^(?P<fid>a)", " aaaa", " caaa", " aa", " cabcb", prefregex=two) == [True, True, False, False]
    assert hits("^(?P<fid>b)", " cabcb", " abcb", prefregex=two) == [True, True]


def test_the_date_is_found_first_and_never_again() -> None:
    judge = Filter(FilterSettings(failregex=(r"^(?P<fid>\d)",)))
    fused = program(judge, re.compile("^(12?)"))
    assert isinstance(fused, Program)
    assert [(row[0], date) for row, date in rows(fused, b"123\n12\n13\n3\n")] == [
        ("0", "12"), ("N", "12"), ("0", "1"), ("S", ""),
    ]  # fmt: skip


def test_the_date_must_be_the_first_in_the_line() -> None:
    judge = Filter(FilterSettings(failregex=(r"(?P<fid>a)",)))
    fused = program(judge, re.compile(r"^\W{0,2}(\[?\d+)"))
    assert isinstance(fused, Program)
    # re takes the bracket for what precedes the date.
    assert [(row[0], date) for row, date in rows(fused, b"12a\n[12a\n (1a\n12\n")] == [
        ("0", "12"), ("S", ""), ("S", ""), ("N", "12"),
    ]  # fmt: skip


def test_without_a_content_the_message_is_what_failregex_see() -> None:
    assert hits("^ (?P<fid>a)", " ab", " a", " cab", prefregex="b") == [True, False, False]


def test_back_references_and_conditions_are_within_their_own_expression() -> None:
    judge, fused = made(r"^ (['\"])(?P<fid>a)\1$", r"^ (?i:(x))(?P<fid>b)(?i:\1)$", r"^ (<)?(?P<fid>c)(?(1)>|\.)$")
    assert isinstance(fused, Program)
    texts = [" 'a'", " 'a\"", " xbX", " Xbx", " xbxx", " xby", " <c>", " c.", " <c.", " c>"]
    assert [each is not None for each in same(judge, fused, *texts)] == [
        True, False, True, True, False, False, True, True, False, False,
    ]  # fmt: skip


def test_case_is_ignored_as_python_does() -> None:
    assert hits(r"^ (?i:k\u017f)(?P<fid>[\u212aé])?$", " ks", " KS", " kS", " kx") == [True, True, True, False]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (r"(?P<fid>(?P<a>x)|y)(?P<b>z)+", "failregex 0: a group inside a repeat"),
        (r"(?P<fid>x)(?=(?P<a>y))", "failregex 0: a group inside a look-around"),
        (r"(?P<fid>x)(?>(?P<a>y))", "failregex 0: a group inside an atomic group"),
        (r"(?P<fid>x)(?:a*)+y", "failregex 0: a repeat of what can be empty"),
        (r"(?P<fid>x)(?:a*)*?y", "failregex 0: a repeat of what can be empty"),
        (r"\b(?P<fid>x)", "failregex 0: a word boundary where the subject may begin"),
        (r"(?<=a)(?P<fid>x)", "failregex 0: a look-behind that may reach before the subject"),
        (r"a?^(?P<fid>x)", "failregex 0: ^ where the subject may or may not begin"),
        (r"(?m)(?P<fid>x)$", "failregex 0: MULTILINE"),
        (r"(?P<fid>x)y{70000}", "failregex 0: a repeat of more than 65535 times"),
        ("(?P<fid>x)" + "".join(f"(?P<g{n}>y)?" for n in range(7)), "failregex 0: too many combinations of groups"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_refused_with_its_reason(expression: str, said: str) -> None:
    assert reason(expression) == said


def test_a_prefix_that_keeps_part_of_the_line_is_refused() -> None:
    assert reason("(?P<fid>x)", prefregex="^<F-CONTENT>.+</F-CONTENT> denied$").endswith("the rest of the line")
    assert reason("(?P<fid>x)", prefregex="^<F-CONTENT>.+?</F-CONTENT>$").endswith("the rest of the line")
    assert reason("(?P<fid>x)", prefregex="(?s)^<F-CONTENT>.+</F-CONTENT>$").endswith("the rest of the line")
    assert reason("(?P<fid>x)", prefregex=r"^<F-CONTENT>\s.+</F-CONTENT>$").endswith("the rest of the line")
    assert reason("(?P<fid>x)", prefregex="^<F-CONTENT>.*</F-CONTENT>$").endswith("may be empty")
    assert reason("(?P<fid>x)", prefregex="^(?:<F-CONTENT>.+</F-CONTENT>|b)$").endswith("optional")
    assert reason("(?P<fid>x)", prefregex="^<F-ALT_CONTENT>.+</F-ALT_CONTENT>$").endswith("several contents")


def test_dates_that_do_not_begin_the_line_or_do_not_end_are_refused() -> None:
    judge = Filter(FilterSettings(failregex=("(?P<fid>x)",)))
    for dates in (r"^()x", r"^(\d+)?", r"^(\d+) -", r"^(?:a|(\d))"):
        found = program(judge, re.compile(dates))
        assert isinstance(found, Refusal)
        assert found.reason.startswith("date: ")


LETTERS = "aab1 :\t\x1c_A"
ATOMS = (
     "a", "b", "1", " ", ":", ".", r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", "[ab]", "[^a]", r"[^\s:]", r"[^\n]", "(?:a|ab)", "(?:a|)",
     r"\b", r"\B", "$", "^", r"\Z", "(?=a)", r"(?!\s)", "(?<=a)", "(?<!b)", "(?i:A)", "(?s:.)", r"\n", r"(?>a|ab)", r"(?:\s|$)",
)  # fmt: skip
REPEATS = ("", "", "", "*", "+", "?", "*?", "+?", "??", "{0,2}", "{2}", "{1,2}?", "++", "*+")


def expression(chance: random.Random) -> str:
    number = 0

    def some(depth: int) -> str:
        nonlocal number
        parts = []
        for _ in range(chance.randint(0, 4)):
            kind = chance.randint(0, 9) if depth else 0
            if kind < 6:
                parts.append(chance.choice(ATOMS) + chance.choice(REPEATS))
            elif kind < 7:
                parts.append(f"(?:{some(depth - 1)}|{some(depth - 1)}){chance.choice(REPEATS)}")
            else:
                number += 1
                parts.append(f"(?P<g{number}>{some(depth - 1)}){chance.choice(['', '', '?', '??', '*'])}")
        if number and chance.random() < 0.1:
            parts.append(chance.choice([rf"(?P=g{number})", rf"(?(g{number})a|b)"]))
        return "".join(parts)

    return chance.choice(["^", "^ ", "", " "]) + some(2) + f"(?P<fid>{some(1)})" + some(2) + chance.choice(["$", ""])


def message(chance: random.Random) -> str:
    return " " + "".join(chance.choices(LETTERS, k=chance.randint(0, 10)))


PREFIXES = (
    "", "", r"^ (?P<p>a*)\s*<F-CONTENT>.+</F-CONTENT>$", r"a(?P<p>b)?<F-CONTENT>.+</F-CONTENT>",
    r" (?:a|ab)<F-CONTENT>[^:\s].*</F-CONTENT>$",
     r".*?(?P<p>:)?\b<F-CONTENT>\S.*</F-CONTENT>$", "a|b",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_expression_that_is_accepted_finds_the_same(seed: int) -> None:
    chance = random.Random(seed)
    accepted = found = tried = 0
    while tried < 2000:
        tried += 1
        failregex = [expression(chance) for _ in range(chance.randint(1, 3))]
        try:
            judge, fused = made(*failregex, prefregex=chance.choice(PREFIXES))
        except RegexError:
            continue
        if isinstance(fused, Program):
            accepted += 1
            found += sum(each is not None for each in same(judge, fused, *[message(chance) for _ in range(60)]))
    # It would be worth nothing if next to nothing were accepted or found (fewer by a Python whose possessive repeats are not sound).
    assert accepted > 20
    assert found > 200
