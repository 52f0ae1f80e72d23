"""The same lines through fail2ban's own filter and through ours: the same verdicts.

Filters and lines are ours; see ``oracle`` for how fail2ban is asked. Where we differ on purpose, ``DIFFERENCES`` shows both
answers and says why.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banish.addresses import parse, show
from banish.errors import RegexError
from banish.matching.filter import Filter, FilterSettings
from banish.model import Line
from tests.conformance.oracle import Answer, Found, Oracle, comparable


def ours(parts: FilterSettings, lines: list[str]) -> Answer:
    try:
        filter_ = Filter(parts)
    except RegexError:
        return "refused"
    answers: list[list[Found] | str] = []
    for number, line in enumerate(lines):
        at = 1000.0 + number
        # fail2ban's sessions age by the clock on the wall, which stands still while it is asked.
        verdict = filter_.judge(Line(line, line, at), at, now=0.0)
        answers.append([comparable(m.regex, m.id, m.at, dict(m.fields), list(m.lines)) for m in verdict.matches])
    return answers


ADDRESSES = ["192.0.2.7", "[192.0.2.8]", "198.51.100.1", "2001:db8::7", "[2001:DB8:0::8]", "::ffff:203.0.113.5", "999.1.1.1",
             "192.0.2.01", "host-1.example.org", "dead:beef", "1.2.3", "192.0.2.300", "a_b", "-", ""]  # fmt: skip

STATELESS: dict[str, tuple[FilterSettings, list[str]]] = {
    "one expression": (
        FilterSettings(failregex=(r"^login failed for <F-USER>.*</F-USER> from <HOST>(?: port <F-PORT/>)?$",), usedns="raw"),
        [f"login failed for {user} from {address}{port}" for user in ("root", "", "from 192.0.2.9", "a b")
         for address in ADDRESSES for port in ("", " port 22")],
    ),
    "the first expression wins": (
        FilterSettings(failregex=(r"bad <ADDR>", r"^bad <HOST>", r"^worse <F-ID/> <IP4>?", r"<F-ID/> \S+$"), usedns="no"),
        [f"{word} {address} {rest}".rstrip() for word in ("bad", "so bad", "worse", "x") for address in ADDRESSES
         for rest in ("", "192.0.2.9")],
    ),
    "names are left out": (
        FilterSettings(failregex=(r"^bad <HOST>$", r"^bad <DNS>$", r"^bad <F-ID/>$"), usedns="no"),
        [f"bad {address}" for address in ADDRESSES],
    ),
    "networks": (
        FilterSettings(failregex=(r"^net <SUBNET>$", r"^id <F-ID/>(?: <ADDR>)?$"), usedns="yes"),
        [f"net {net}" for net in ("192.0.2.7/24", "192.0.2.7/32", "192.0.2.7/33", "192.0.2.7", "2001:db8::7/64", "[2001:db8::7/128]",
                                  "::ffff:192.0.2.7/24", "999.1.1.1/24", "192.0.2.7/", "192.0.2.7/255.255.255.0")]
        + [f"id {id_}" for id_ in ("x", "192.0.2.7", "2001:DB8::7", "[2001:db8::7]", "192.0.2.9/24", "192.0.2.9/33", "::ffff:192.0.2.7",
                                   "192.0.2.9/255.255.255.0", "x 192.0.2.7", "192.0.2.7 192.0.2.7", "2001:DB8::7 2001:db8::7", "10")],
    ),
    "prefregex and content": (
        FilterSettings(
            prefregex=r"^d(?:\[<F-PID>\d+</F-PID>\])?: <F-CONTENT>.*</F-CONTENT>$",
            failregex=(r"^bad <HOST>\n$", r"^<F-ALT_USER>\w*</F-ALT_USER>/<F-USER>\w*</F-USER> <HOST>$", r"^d: <HOST>"),
            ignoreregex=(r"^bad \[", r"ok$"),
            usedns="raw",
        ),
        [f"{prefix}{content} {address}" for prefix in ("d: ", "d[7]: ", "x ") for content in ("bad", "a/b", "a/", "/", "/b", "ok")
         for address in (*ADDRESSES[:6], "ok")] + ["d: ", "d:  ", "d[1]: d: 192.0.2.7"],
    ),
    "ignored first": (
        FilterSettings(
            prefregex=r"^d: <F-CONTENT>.*</F-CONTENT>$",
            failregex=(r"^bad <HOST>", r"^b <HOST>", r"^c <HOST>", r"^e <HOST>"),
            ignoreregex=(r"^d: bad \[",),
            usedns="raw",
        ),
        [f"d: {word} {address}" for word in ("bad", "b", "c", "e", "f") for address in ADDRESSES[:6]],
    ),
    "tuples and alternatives": (
        FilterSettings(
            failregex=(
                r"^t <F-TUPLE_ID_2>\w+</F-TUPLE_ID_2>(?:,<F-TUPLE_ID_1>\w+</F-TUPLE_ID_1>)?(?:;<F-ID>\w+</F-ID>)? <HOST>$",
                r"^u <F-TUPLE_USER>\w+</F-TUPLE_USER>(?:,<F-USER>\w+</F-USER>)? <HOST>$",
                r"^a <F-ALT_USER_2>\w*</F-ALT_USER_2>,<F-ALT_USER_10>\w*</F-ALT_USER_10>,<F-USER>\w*</F-USER> <HOST>$",
                r"^i <F-ALT_IP4>\S+</F-ALT_IP4>(?: <HOST>)?$",
            ),
            usedns="raw",
        ),
        [f"{text} 192.0.2.7" for text in ("t a", "t a,b", "t a;c", "t a,b;c", "u a", "u a,b", "a a,b,c", "a a,b,", "a a,,", "a ,b,", "a ,,",
                                          "i 192.0.2.8", "i")],
    ),
    "flags": (
        FilterSettings(failregex=(r"^((?i)bad) now <HOST>$", r"(?i)^worse <HOST>$", r"^(?:(?x) w o r s t ) <HOST>$"), usedns="raw"),
        [f"{word} 192.0.2.7" for word in ("bad now", "BAD now", "bad NOW", "worse", "WORSE", "worst", "WORST")],
    ),
}  # fmt: skip

SESSION = FilterSettings(
    prefregex=r"^<F-MLFID>d\[\d+\]</F-MLFID>: <F-CONTENT>.*</F-CONTENT>$",
    failregex=(
        r"^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^failed <F-USER>\S*</F-USER>$",
        r"^failed <F-USER>\S*</F-USER> from <HOST>$",
        r"^<F-NOFAIL>trying</F-NOFAIL> <F-USER>\S*</F-USER>$",
        r"^<F-MLFGAINED>welcome</F-MLFGAINED> <F-USER>\S*</F-USER>$",
        r"^<F-MLFGAINED>welcome</F-MLFGAINED> from <HOST>$",
        r"^<F-MLFFORGET><F-NOFAIL>closed</F-NOFAIL></F-MLFFORGET>(?: <HOST>)?$",
        r"^<F-MLFFORGET>aborted</F-MLFFORGET>$",
        r"^<F-MLFFORGET><F-MLFGAINED>done</F-MLFGAINED></F-MLFFORGET>$",
        r"^<F-NOFAIL>by</F-NOFAIL> <F-ALT_USER>\S*</F-ALT_USER>$",
        r"^key <F-ID>\S+</F-ID>$",
        r"^noted(?: <F-X>\d</F-X>)?$",
        r"^nothing ignored$",
    ),
    ignoreregex=("ignored",),
    usedns="raw",
)
SAID = ["from 192.0.2.7", "from 192.0.2.7", "from 198.51.100.1", "failed root", "failed root", "failed bob", "failed ",
        "failed root from 192.0.2.7", "trying root", "trying bob", "welcome root", "welcome from 192.0.2.7", "closed",
        "closed 192.0.2.7", "aborted", "done", "by root", "by bob", "by ", "noted", "noted 1", "noted 2",
        "nothing ignored", "?"]  # fmt: skip

LINES = FilterSettings(
    failregex=(
        r"^login <F-USER>\w+</F-USER>$<SKIPLINES>^refused <HOST>$",
        r"^bad <HOST>$",
        r"^ask$<SKIPLINES>^again$<SKIPLINES>^no <HOST>$",
        r"^both\n^of <HOST>",
    ),
    ignoreregex=("^login ok$", "203"),
    maxlines=5,
    usedns="raw",
)
WRITTEN = ["login root", "login ok", "refused 192.0.2.7", "refused 203.0.113.5", "bad 198.51.100.1", "ask", "again", "no 192.0.2.8",
           "both", "of 192.0.2.9", "noise"]  # fmt: skip


@pytest.mark.parametrize("name", STATELESS)
def test_verdicts_on_single_lines(oracle: Oracle, name: str) -> None:
    parts, lines = STATELESS[name]
    theirs = oracle.verdicts(parts, lines)
    for line, their_answer, our_answer in zip(lines, theirs, ours(parts, lines), strict=True):
        assert (line, our_answer) == (line, their_answer)


@pytest.mark.parametrize("seed", range(12))
def test_verdicts_on_sessions(oracle: Oracle, seed: int) -> None:
    chance = random.Random(seed)
    lines = [f"d[{chance.randint(1, 3)}]: {chance.choice(SAID)}" for _ in range(80)]
    assert ours(SESSION, lines) == oracle.verdicts(SESSION, lines)


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_on_several_lines(oracle: Oracle, seed: int) -> None:
    chance = random.Random(seed)
    lines = [chance.choice(WRITTEN) for _ in range(80)]
    assert ours(LINES, lines) == oracle.verdicts(LINES, lines)


@pytest.mark.parametrize(
    "expression",
    ["( <HOST>", "<HOST> <HOST>", "<ADDR> <HOST>", "<IP4> <IP6>", "^bad$", "", " ", "<F-ID/>", "<F-USER>a</F-USER>", "(?P<host>a)",
     "(?P<ip4>a)", "<F-MLFID>a</F-MLFID>", "<F-USER-X>a</F-USER-X> <HOST>", "<F-A>a <HOST>", "a</F-A> <HOST>", "^(?i)a <HOST>", "<host>",
     "<F-HOST/>", "<F-ADDR/>", "<F-ALT_ID>a</F-ALT_ID>", "[<HOST>", "<HOST>{2}", "a|<HOST>", "((?i-s)a) <HOST>", r"\<<HOST>\>",
     "<F-A>a</F-A>b</F-A> <HOST>", "<F-1A>a</F-1A> <HOST>"],
)  # fmt: skip
def test_the_same_expressions_are_accepted(oracle: Oracle, expression: str) -> None:
    parts = FilterSettings(failregex=(expression,))
    assert (ours(parts, []) == "refused") == (oracle.verdicts(parts, []) == "refused")


def test_a_hundred_sessions_are_remembered(oracle: Oracle) -> None:
    lines = [f"d[{number}]: from 192.0.2.7" for number in range(103)] + [
        f"d[{number}]: noted" for number in (102, 4, 3)
    ]
    lines += ["d[2]: noted", "d[1]: noted"]
    assert ours(SESSION, lines) == oracle.verdicts(SESSION, lines)


ATTEMPT = FilterSettings(
    prefregex=r"^(?:<F-MLFID>\d</F-MLFID>: )?<F-CONTENT>.*</F-CONTENT>$",
    failregex=(
        r"^bad <F-USER>\S*</F-USER>(?: from <HOST>)?(?: port <F-PORT/>)?$",
        r"^<F-NOFAIL>try</F-NOFAIL>,? <ADDR>",
    ),
    usedns="raw",
)
_NAME = "[g-z][a-z0-9.^_-]{0,7}"
_IP4 = r"\[?[1-9][0-9]{0,2}(?:\.[0-9]{1,3}){3}\]?"
_IP6 = r"\[?[1-9a-f][0-9a-f]{0,3}(?:::?[1-9a-f][0-9a-f]{0,3}){1,7}\]?"


def written(host: str) -> st.SearchStrategy[list[str]]:
    """Lines of two sessions and of none, by offenders of one family (where a session changes family, we differ)."""
    bad = rf"(?:[12]: )?bad [a-z0-9 ]{{0,4}}(?: from (?:{host}))?(?: port [0-9]{{1,5}})?"
    return st.lists(st.from_regex(rf"{bad}|[12]: try,? (?:{host})", fullmatch=True), min_size=1, max_size=12)


@given(written(f"{_IP4}|{_NAME}") | written(f"{_IP6}|{_NAME}"))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_verdicts_on_any_lines(oracle: Oracle, lines: list[str]) -> None:
    theirs, mine = oracle.verdicts(ATTEMPT, lines), ours(ATTEMPT, lines)
    assert not isinstance(theirs, str)
    assert [[_spelled(*found) for found in answer] for answer in mine] == [
        [_spelled(*found) for found in answer] for answer in theirs
    ]


def _spelled(regex: int, id_: str, at: float, fields: dict[str, Any], lines: list[str]) -> Found:
    network = parse(id_)  # there is more than one way to write an address such as ::0.1.0.2
    return regex, id_ if network is None else show(network), at, fields, lines


class Difference(NamedTuple):
    reason: str
    parts: FilterSettings
    lines: list[str]
    theirs: list[str]
    ours: list[str]
    """The ids that each line leads to, by fail2ban and by us; ``-`` for none."""


_RAW = FilterSettings(usedns="raw")
DIFFERENCES: list[Difference] = [
    Difference(
        "a colon may stand alone in IPv6, as in later fail2ban: :: is an address",
        replace(_RAW, failregex=("^bad <ADDR>$",)),
        ["bad ::"],
        ["-"],
        ["::"],
    ),
    Difference(
        "a group that took no part does not overwrite the prefregex' group, as in later fail2ban",
        replace(_RAW, prefregex="^<HOST>: <F-CONTENT>.*</F-CONTENT>$", failregex=("^bad(?: <HOST>)?$",)),
        ["192.0.2.7: bad 192.0.2.8", "192.0.2.7: bad"],
        ["192.0.2.8", "-"],
        ["192.0.2.8", "192.0.2.7"],
    ),
    Difference(
        "one address has one id, however it is written and whatever usedns says",
        replace(_RAW, failregex=("^id <F-ID/>$",)),
        ["id 2001:DB8::7", "id ::ffff:192.0.2.7", "id 192.0.2.9/24"],
        ["2001:DB8::7", "::ffff:192.0.2.7", "192.0.2.9/24"],
        ["2001:db8::7", "192.0.2.7", "192.0.2.0/24"],
    ),
    Difference(
        "what was captured as a name is an address if it reads as one, under usedns = raw too",
        replace(_RAW, failregex=(r"^bad <F-DNS>\S+</F-DNS>$",)),
        ["bad ::ffff:192.0.2.7"],
        ["::ffff:192.0.2.7"],
        ["192.0.2.7"],
    ),
    Difference(
        "a prefix length of 0, or what is none, must not ban anybody but the address",
        FilterSettings(failregex=("^net <SUBNET>$", "^id <F-ID/>$")),
        ["net 192.0.2.7/0", "id 192.0.2.7/0", "id 192.0.2.7/index.html"],
        ["0.0.0.0", "0.0.0.0", "0.0.0.0"],
        ["192.0.2.7", "192.0.2.7", "192.0.2.7/index.html"],
    ),
    Difference(
        "an id of no characters is nobody; the address beside it counts",
        FilterSettings(failregex=(r"^id <F-ID>\w*</F-ID>(?: <ADDR>)?$", r"^(?:<F-TUPLE_ID>t</F-TUPLE_ID>|u) <ADDR>$")),
        ["id ", "id  192.0.2.7", "u 192.0.2.7"],
        ["", "", "(None, None)"],
        ["-", "192.0.2.7", "192.0.2.7"],
    ),
    Difference(
        "information outside a session is no failure; fail2ban-regex says so too, its server counts it",
        FilterSettings(
            failregex=("^<F-NOFAIL>hello</F-NOFAIL> <ADDR>$", "^<F-MLFGAINED>welcome</F-MLFGAINED> <ADDR>$")
        ),
        ["hello 192.0.2.7", "welcome 192.0.2.7"],
        ["192.0.2.7", "192.0.2.7"],
        ["-", "-"],
    ),
    Difference(
        "an address displaces that of the other family, and its prefix length, within a session",
        FilterSettings(failregex=("^<F-MLFID>s</F-MLFID> net <SUBNET>$", "^<F-MLFID>s</F-MLFID> <ADDR>$")),
        ["s net 192.0.2.7/24", "s 198.51.100.1", "s 2001:db8::7"],
        ["192.0.2.0/24", "198.51.100.0/24", "198.51.100.0/24"],
        ["192.0.2.0/24", "198.51.100.1", "2001:db8::7"],
    ),
    Difference(
        "content in a filter of several lines is found in the lines it came from, and these leave the window",
        replace(_RAW, prefregex="p <F-CONTENT>.+</F-CONTENT>", failregex=(r"^<F-ID>\w+</F-ID>$",), maxlines=3),
        ["noise", "p a", "p b", "noise"],
        ["-", "a", "a", "b"],
        ["-", "a", "b", "-"],
    ),
    Difference(
        "a group named users is not mistaken for the session's user names",
        FilterSettings(
            failregex=(
                "^<F-MLFID>s</F-MLFID> <F-USERS>a</F-USERS> <ADDR>$",
                "^<F-MLFID>s</F-MLFID> <F-USER>b</F-USER>$",
            ),
        ),
        ["s a 192.0.2.7", "s b"],
        ["192.0.2.7", "raised AttributeError"],
        ["192.0.2.7", "192.0.2.7"],
    ),
]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason)
def test_differences_are_those_we_know(oracle: Oracle, difference: Difference) -> None:
    def ids(answer: Answer) -> list[str]:
        assert not isinstance(answer, str)
        return [found if isinstance(found, str) else found[0][1] if found else "-" for found in answer]

    assert ids(oracle.verdicts(difference.parts, difference.lines)) == difference.theirs
    assert ids(ours(difference.parts, difference.lines)) == difference.ours
