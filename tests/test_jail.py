"""The heart: lines in, decisions out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from banish import addresses
from banish.decisions.bantime import BanTimeSettings
from banish.failures.ignore import IgnoreSettings
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.matching.filter import FilterSettings
from banish.model import Decision, Event, Failure, Ignored, Line, Notice, Question

NOW = 1_800_000_000.0
SETTINGS = JailSettings(
    "sshd",
    filter=FilterSettings(failregex=(r"^ sshd: Failed password for <F-USER>\S+</F-USER> from <HOST>$",)),
    window=WindowSettings(maxretry=3, findtime=600),
    bantime=BanTimeSettings(3600),
)


def failed(*seconds: float, host: str = "192.0.2.7", user: str = "root") -> list[Line]:
    message = f" sshd: Failed password for {user} from {host}"
    return [Line("Jan 15 08:00:00" + message, message, NOW + second) for second in seconds]


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def decisions(events: list[Event]) -> list[Decision]:
    return [event for event in events if isinstance(event, Decision)]


def test_third_failure_within_findtime_bans() -> None:
    jail = Jail(SETTINGS)
    events = jail.feed(failed(0, 10, 20), NOW + 20)
    assert kinds(events) == ["Failure", "Failure", "Failure", "Decision"]
    assert events[-1] == Decision(
        jail="sshd",
        id="192.0.2.7",
        network=addresses.parse("192.0.2.7"),
        at=NOW + 20,
        expires_at=NOW + 3620,
        reason="3 failures in 20s",
        failures=3,
        matches=tuple(line.text for line in failed(0, 10, 20)),
        fields={"user": "root", "ip4": "192.0.2.7"},
    )
    assert (jail.failed_now, jail.failed_total) == (0, 3)


def test_two_failures_do_not() -> None:
    jail = Jail(SETTINGS)
    assert decisions(jail.feed(failed(0, 10), NOW + 10)) == []
    assert (jail.failed_now, jail.failed_total) == (1, 2)


def test_a_ban_for_ever() -> None:
    jail = Jail(replace(SETTINGS, bantime=BanTimeSettings(math.inf)))
    assert decisions(jail.feed(failed(0, 0, 0), NOW))[0].expires_at == math.inf


def test_two_attackers_are_counted_apart() -> None:
    jail = Jail(SETTINGS)
    lines = failed(0, 1, host="192.0.2.7") + failed(2, 3, 4, host="2001:db8::7")
    assert [decision.id for decision in decisions(jail.feed(lines, NOW + 4))] == ["2001:db8::7"]


def test_an_ignored_address_is_not_counted() -> None:
    jail = Jail(replace(SETTINGS, ignore=IgnoreSettings(("192.0.2.0/24",))))
    assert jail.feed(failed(0, 1, 2), NOW + 2) == [Ignored("sshd", "192.0.2.7", "ip")] * 3
    assert jail.failed_total == 0


def test_a_host_name_is_a_question_and_its_answer_counts() -> None:
    jail = Jail(SETTINGS)
    questions = jail.feed(failed(0, 1, 2, host="evil.example.org"), NOW + 2)
    assert kinds(questions) == ["Question"] * 3
    answer = [network for text in ("192.0.2.7", "2001:db8::7") if (network := addresses.parse(text))]
    events: list[Event] = []
    for question in questions:
        assert isinstance(question, Question)
        events += jail.answer(question, answer)
    assert [decision.id for decision in decisions(events)] == ["192.0.2.7", "2001:db8::7"]


def test_a_name_that_stands_for_nothing_is_said() -> None:
    jail = Jail(SETTINGS)
    [question] = jail.feed(failed(0, host="nowhere.example.org"), NOW)
    assert isinstance(question, Question)
    [notice] = jail.answer(question, [])
    assert isinstance(notice, Notice)
    assert "nowhere.example.org" in notice.text


def test_old_lines_do_not_count_while_catching_up() -> None:
    jail = Jail(SETTINGS)
    events = jail.feed(failed(-700, -650, -601, -10), NOW, live=False)
    assert [event.at for event in events if isinstance(event, Failure)] == [NOW - 10]


def test_a_line_of_the_future_counts_as_now() -> None:
    jail = Jail(SETTINGS)
    assert [event.at for event in jail.feed(failed(30), NOW) if isinstance(event, Failure)] == [NOW]


def test_counting_goes_on_after_a_reload() -> None:
    before = Jail(SETTINGS)
    before.feed(failed(0, 1), NOW + 1)
    after = Jail(replace(SETTINGS, bantime=BanTimeSettings(60)))
    after.inherit(before)
    assert [decision.expires_at for decision in decisions(after.feed(failed(2), NOW + 2))] == [NOW + 62]


def test_a_lifted_ban_starts_from_zero() -> None:
    jail = Jail(SETTINGS)
    jail.feed(failed(0, 1), NOW + 1)
    jail.forget("192.0.2.7")
    assert decisions(jail.feed(failed(2), NOW + 2)) == []


def test_time_passing_empties_the_table() -> None:
    jail = Jail(SETTINGS)
    jail.feed(failed(0), NOW)
    jail.tick(NOW + 700)
    assert jail.failed_now == 0


@pytest.mark.parametrize("host", ["999.0.0.1", "192.0.2.7.example.org", "a" * 300])
def test_odd_hosts_never_raise(host: str) -> None:
    Jail(SETTINGS).feed(failed(0, host=host), NOW)
