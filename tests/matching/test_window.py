"""Failures that are spread over several lines (``maxlines``)."""

from __future__ import annotations

from typing import Any

from banish.matching.filter import Filter, FilterSettings
from banish.model import Line

LOGIN = r"^login <F-USER>\w+</F-USER>$<SKIPLINES>^refused <HOST>$"


def told(messages: list[str], *failregex: str, **others: Any) -> list[str]:
    """What each message comes to: the outcome, and for a failure its id, user and lines."""
    parts: dict[str, Any] = {"failregex": failregex, "maxlines": 4, "usedns": "raw"} | others
    filter_ = Filter(FilterSettings(**parts))
    story: list[str] = []
    for number, message in enumerate(messages):
        at = 1000.0 + number
        verdict = filter_.judge(Line(f"{number} {message}", message, at), at)
        story.append(verdict.outcome)
        for match in verdict.matches:
            assert match.at == at
            story[-1] = (
                f"{match.id} {match.fields.get('user', '-')}: {' '.join(line.split(' ')[0] for line in match.lines)}"
            )
    return story


def test_a_failure_over_two_lines() -> None:
    assert told(["login root", "refused 192.0.2.7"], LOGIN) == ["none", "192.0.2.7 root: 0 1"]


def test_skipped_lines_are_not_part_of_it() -> None:
    assert told(["login root", "noise", "more", "refused 192.0.2.7"], LOGIN)[-1] == "192.0.2.7 root: 0 3"


def test_a_line_is_used_once() -> None:
    assert told(["login root", "refused 192.0.2.7", "refused 192.0.2.8"], LOGIN)[-1] == "none"


def test_skipped_lines_stay_and_may_match_later() -> None:
    assert told(["login root", "login bob", "refused 192.0.2.7", "refused 192.0.2.8"], LOGIN)[2:] == [
        "192.0.2.7 root: 0 2",
        "192.0.2.8 bob: 1 3",
    ]


def test_what_has_left_the_window_is_gone() -> None:
    assert told(["login root", "a", "b", "c", "refused 192.0.2.7"], LOGIN)[-1] == "none"


def test_a_match_takes_whole_lines() -> None:
    assert told(["noise", "x bad 192.0.2.7 x", "noise"], "bad <HOST>") == ["none", "192.0.2.7 -: 1", "none"]


def test_what_is_only_looked_at_is_not_taken() -> None:
    expressions = (r"^bad <HOST>$(?=\n)", r"^worse <HOST>\n")
    assert told(["bad 192.0.2.7", "worse 192.0.2.8"], *expressions) == ["192.0.2.7 -: 0", "192.0.2.8 -: 1"]


def test_a_match_that_names_nobody_takes_its_lines_too() -> None:
    assert told(["bad ", "other 192.0.2.7"], "^bad (?:<HOST>)?$", "^other <HOST>$") == ["none", "192.0.2.7 -: 1"]


def test_an_empty_match_takes_its_line() -> None:
    for expression in ("^", "$", r"\Z"):
        assert told(["192.0.2.7 x", "..."], expression, prefregex="^<HOST>") == ["192.0.2.7 -: 0", "none"]


def test_an_ignoreregex_sees_the_matched_lines_as_one_text() -> None:
    story = ["login root", "noise", "refused 192.0.2.7"]
    assert told(story, LOGIN, ignoreregex=("noise",))[-1] == "192.0.2.7 root: 0 2"
    assert told(story, LOGIN, ignoreregex=("^refused",))[-1] == "192.0.2.7 root: 0 2"
    assert told([*story, "refused 192.0.2.7"], LOGIN, ignoreregex=("^login",))[2:] == ["ignored", "none"]


def test_an_ignoreregex_that_is_tried_first_holds_as_long_as_its_line_is_there() -> None:
    many = ("^bad <HOST>$", "^b <HOST>", "^c <HOST>", "^d <HOST>")
    story = ["good", "bad 192.0.2.7", "x", "y", "z"]
    assert told(story, *many, ignoreregex=("good",)) == ["ignored", "ignored", "ignored", "ignored", "192.0.2.7 -: 1"]


def test_the_prefregex_is_tried_on_the_lines_as_one_text() -> None:
    story = ["login root", "refused 192.0.2.7"]
    assert told(story, LOGIN, prefregex="^login")[-1] == "192.0.2.7 root: 0 1"
    assert told(story, LOGIN, prefregex="^refused")[-1] == "none"


def test_content_of_several_lines() -> None:
    prefregex = "(?s)daemon: <F-CONTENT>.+</F-CONTENT>$"
    story = ["noise", "daemon: login root", "noise", "refused 192.0.2.7", "refused 192.0.2.8"]
    assert told(story, LOGIN, prefregex=prefregex)[1:] == ["none", "none", "192.0.2.7 root: 1 3", "none"]


def test_an_ignoreregex_sees_the_content_of_a_line_only() -> None:
    prefregex = "daemon: <F-CONTENT>.+</F-CONTENT>$"
    story = ["daemon: bad 192.0.2.7"]
    assert told(story, "^bad <HOST>$", prefregex=prefregex, ignoreregex=("daemon",)) == ["192.0.2.7 -: 0"]
    assert told(story, "^bad <HOST>$", prefregex=prefregex, ignoreregex=("^bad",)) == ["ignored"]


def test_an_expression_over_several_lines_within_a_session() -> None:
    expressions = (
        r"^<F-MLFID>s\d</F-MLFID> <F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^<F-MLFID>s\d</F-MLFID> ask$<SKIPLINES>^(?P=mlfid) no$",
    )
    assert told(["s1 from 192.0.2.7", "s1 ask", "s2 no", "s1 no"], *expressions) == [
        "nofail",
        "none",
        "none",
        "192.0.2.7 -: 0 1 3",
    ]
