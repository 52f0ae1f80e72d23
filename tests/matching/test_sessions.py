"""Sessions: several lines of one connection, judged by their sum."""

from __future__ import annotations

import pytest

from banish.evidence import LONGEST_LINE
from banish.matching.filter import Filter, FilterSettings
from banish.matching.sessions import Sessions
from banish.model import Line, Match

DAEMON = FilterSettings(
    prefregex=r"^<F-MLFID>d\[\d+\]</F-MLFID>: <F-CONTENT>.*</F-CONTENT>$",
    failregex=(
        r"^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^failed <F-USER>\S*</F-USER>(?: from <HOST>)?$",
        r"^<F-NOFAIL>trying</F-NOFAIL> <F-USER>\S*</F-USER>$",
        r"^<F-MLFGAINED>welcome</F-MLFGAINED>(?: <F-USER>\S*</F-USER>)?(?: from <HOST>)?$",
        r"^<F-MLFFORGET><F-NOFAIL>closed</F-NOFAIL></F-MLFFORGET>(?: <HOST>)?$",
        r"^<F-MLFFORGET>aborted</F-MLFFORGET>$",
        r"^key <F-ID>\S+</F-ID>$",
        r"^net <SUBNET>$",
    ),
)
FROM, FAILED, TRYING, WELCOME, CLOSED, ABORTED, KEY, NET = range(8)


def told(*messages: str, step: float = 1.0) -> list[str]:
    """What each message of session d[1] comes to: the outcome, and for a failure its expression, id, user and lines."""
    daemon = Filter(DAEMON)
    story: list[str] = []
    for number, message in enumerate(messages):
        text = message if message.startswith("d[") else f"d[1]: {message}"
        verdict = daemon.judge(Line(text, text, None), at=1000 + step * number)
        story.append(verdict.outcome)
        for match in verdict.matches:
            assert match.at == 1000 + step * number
            assert match.regex == verdict.regex
            lines = " + ".join(line.removeprefix("d[1]: ") for line in match.lines)
            story[-1] = f"{match.regex} {match.id} {match.fields.get('user', '-')}: {lines}"
    return story


def test_the_address_of_an_earlier_line_is_the_failures() -> None:
    assert told("from 192.0.2.7", "failed root", "failed bob") == [
        "nofail",
        "1 192.0.2.7 root: from 192.0.2.7 + failed root",
        "1 192.0.2.7 bob: failed bob",
    ]


def test_a_failure_without_address_waits_for_the_line_that_brings_one() -> None:
    assert told("failed root", "trying root", "from 192.0.2.7", "from 192.0.2.7") == [
        "pending",
        "nofail",
        "0 192.0.2.7 root: failed root + trying root + from 192.0.2.7",
        "nofail",
    ]


def test_several_waiting_failures_are_one() -> None:
    assert told("failed root", "failed root", "failed root from 192.0.2.7", "failed root") == [
        "pending",
        "pending",
        "1 192.0.2.7 root: failed root + failed root + failed root from 192.0.2.7",
        "1 192.0.2.7 root: failed root",
    ]


def test_a_login_takes_back_what_waits() -> None:
    assert told("trying root", "failed root", "welcome root", "from 192.0.2.7", "failed root") == [
        "nofail",
        "pending",
        "nofail",
        "nofail",
        "1 192.0.2.7 root: welcome root + from 192.0.2.7 + failed root",
    ]


def test_a_login_without_anything_waiting_keeps_the_lines_so_far() -> None:
    assert told("trying root", "welcome root", "failed root from 192.0.2.7")[-1] == (
        "1 192.0.2.7 root: trying root + welcome root + failed root from 192.0.2.7"
    )


def test_with_several_user_names_nothing_is_mere_information() -> None:
    assert told(
        "from 192.0.2.7", "trying root", "trying bob", "welcome bob", "from 192.0.2.7", "closed", "from 192.0.2.7"
    ) == [
        "nofail",
        "nofail",
        "2 192.0.2.7 bob: from 192.0.2.7 + trying root + trying bob",
        "3 192.0.2.7 bob: welcome bob",
        "0 192.0.2.7 bob: from 192.0.2.7",
        "4 192.0.2.7 bob: closed",
        "nofail",
    ]


def test_a_login_by_the_second_name_is_a_failure_that_may_have_to_wait() -> None:
    assert told("failed root", "welcome bob", "from 192.0.2.7") == [
        "pending",
        "pending",
        "0 192.0.2.7 bob: welcome bob + from 192.0.2.7",
    ]


def test_an_empty_user_name_is_not_a_second_one() -> None:
    assert told("from 192.0.2.7", "failed root", "failed ", "trying root")[2:] == ["1 192.0.2.7 : failed ", "nofail"]


def test_the_end_of_a_session_forgets_it() -> None:
    assert told("from 192.0.2.7", "closed", "failed root") == ["nofail", "nofail", "pending"]
    assert told("failed root", "closed", "from 192.0.2.7") == ["pending", "nofail", "nofail"]


def test_the_line_that_ends_a_session_may_complete_its_failure() -> None:
    assert told("failed root", "closed 192.0.2.7", "failed root") == [
        "pending",
        "4 192.0.2.7 root: failed root + closed 192.0.2.7",
        "pending",
    ]
    assert told("from 192.0.2.7", "aborted", "aborted") == [
        "nofail",
        "5 192.0.2.7 -: from 192.0.2.7 + aborted",
        "pending",
    ]


def test_users_are_told_of_sessions_only() -> None:
    daemon = Filter(
        FilterSettings(
            failregex=(
                r"^<F-MLFID>d\d</F-MLFID> failed <F-USER>\w+</F-USER> <HOST>$",
                r"^<F-MLFID>d\d</F-MLFID> <F-MLFFORGET>left</F-MLFFORGET> <F-USER>\w+</F-USER> <HOST>$",
            )
        )
    )

    def users(text: str) -> object:
        (match,) = daemon.judge(Line(text, text, None), at=1000).matches
        return match.fields.get("users")

    assert users("d1 left root 192.0.2.7") is None
    assert users("d1 failed root 192.0.2.7") == {"root"}
    assert users("d1 left bob 192.0.2.7") == {"root", "bob"}
    assert users("d1 left bob 192.0.2.7") is None


def test_an_id_needs_no_address() -> None:
    assert told("key abc", "from 192.0.2.7", "failed root") == [
        "6 abc -: key abc",
        "nofail",
        "1 abc root: from 192.0.2.7 + failed root",
    ]


def test_sessions_are_apart() -> None:
    assert told("from 192.0.2.7", "d[2]: from 198.51.100.1", "failed root", "d[2]: failed bob") == [
        "nofail",
        "nofail",
        "1 192.0.2.7 root: from 192.0.2.7 + failed root",
        "1 198.51.100.1 bob: d[2]: from 198.51.100.1 + d[2]: failed bob",
    ]


@pytest.mark.parametrize(("earlier", "later"), [("192.0.2.7", "2001:db8::7"), ("2001:db8::7", "192.0.2.7")])
def test_an_address_displaces_that_of_the_other_family(earlier: str, later: str) -> None:
    story = told(f"from {earlier}", f"failed root from {later}", "failed root")
    assert [line.split(" ")[1] for line in story[1:]] == [later, later]


def test_an_address_does_not_inherit_the_prefix_of_an_earlier_one() -> None:
    assert told("net 192.0.2.0/24", "failed root", "failed root from 198.51.100.9")[1:] == [
        "1 192.0.2.0/24 root: failed root",
        "1 198.51.100.9 root: failed root from 198.51.100.9",
    ]


def test_a_known_address_is_not_displaced_by_a_name() -> None:
    assert told("from 192.0.2.7", "failed root from example.org")[1].startswith("1 192.0.2.7 root")


def test_a_session_ends_five_minutes_after_its_first_line() -> None:
    assert told("from 192.0.2.7", "trying root", "failed root", step=149.9)[2].startswith("1 192.0.2.7")
    assert told("from 192.0.2.7", "trying root", "failed root", step=150)[2] == "pending"


def test_sessions_age_by_another_clock_when_asked() -> None:
    daemon = Filter(DAEMON)
    for at, message in ((0.0, "d[1]: from 192.0.2.7"), (9000.0, "d[1]: failed root")):
        verdict = daemon.judge(Line(message, message, at), at, now=5.0)
    assert [match.id for match in verdict.matches] == ["192.0.2.7"]
    assert verdict.matches[0].at == 9000.0


def test_the_oldest_session_makes_room() -> None:
    daemon = Filter(DAEMON)

    def feed(session: int, message: str) -> str:
        text = f"d[{session}]: {message}"
        return daemon.judge(Line(text, text, None), at=1000.0).outcome

    for session in range(100):
        feed(session, "from 192.0.2.7")
    feed(0, "trying root")  # used again, and the oldest all the same
    assert feed(100, "from 192.0.2.7") == "nofail"
    assert feed(1, "failed root") == "failure"
    assert feed(0, "failed root") == "pending"


def test_what_a_session_keeps_is_bounded() -> None:
    sessions = Sessions(capacity=2)
    for number in range(1000):
        sessions.join(f"s{number % 5}", {"nofail": "x", "user": f"u{number}"}, (f"line {number}",), now=number / 100)
    assert len(sessions) == 2
    for number in range(1000):
        sessions.join("s", {"nofail": "x", "user": f"u{number}"}, (f"line {number}",), now=11.0)
    joined = sessions.join("s", {"ip4": "192.0.2.7"}, ("last",), now=11.0)
    assert not isinstance(joined, str)
    fields, lines = joined
    assert len(fields["users"]) == 100
    assert len(lines) == 100
    assert lines[-1] == "last"


def test_what_an_attacker_makes_long_is_cut() -> None:
    sessions = Sessions()
    for number in range(10):
        sessions.join("s", {"nofail": "x", "user": f"{number}" * 10_000}, ("x" * 10_000,), now=1.0)
    joined = sessions.join("s", {"ip4": "192.0.2.7", "user": "last"}, ("y" * 10_000,), now=1.0)
    assert not isinstance(joined, str)
    fields, lines = joined
    assert fields["users"] == {"0" * 10_000, "1" * 10_000, "last"}
    assert [len(line) for line in lines] == [LONGEST_LINE + 1] * 10 + [10_000]


def test_a_mark_is_no_field_even_when_it_is_empty() -> None:
    sessions = Sessions()
    for marks in ({"nofail": "x"}, {"mlfgained": "x"}, {"mlfforget": "", "nofail": ""}):
        sessions.join("s", {"mlfid": "s", "user": "root", **marks}, ("line",), now=1.0)
    joined = sessions.join("s", {"mlfid": "s", "ip4": "192.0.2.7", "mlfgained": ""}, ("line",), now=1.0)
    assert not isinstance(joined, str)
    assert joined[0] == {"mlfid": "s", "ip4": "192.0.2.7", "user": "root", "users": {"root"}}


def test_fields_of_a_failure_are_the_sessions_and_do_not_change_later() -> None:
    daemon = Filter(DAEMON)
    matches: list[Match] = []
    for text in ("d[1]: from 192.0.2.7", "d[1]: failed root", "d[1]: failed bob"):
        matches.extend(daemon.judge(Line(text, text, None), at=1.0).matches)
    assert [dict(match.fields) for match in matches] == [
        {"mlfid": "d[1]", "ip4": "192.0.2.7", "user": "root", "users": {"root"}},
        {"mlfid": "d[1]", "ip4": "192.0.2.7", "user": "bob", "users": {"root", "bob"}},
    ]
