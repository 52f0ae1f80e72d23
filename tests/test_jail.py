"""The heart: lines in, decisions out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from banish import addresses
from banish.decisions import formula
from banish.decisions.bantime import CLEAN, BanTimeSettings, History
from banish.failures.ignore import IgnoreSettings
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.matching.filter import FilterSettings
from banish.model import Decision, Event, Failure, Ignored, Increase, Line, Notice, Question

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
        basis="bantime",
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


KNOWN = History(bans=2, last_at=NOW - 5000)
LONGER = BanTimeSettings(3600, increment=True)


def test_a_known_offender_is_banned_sooner_and_longer() -> None:
    jail = Jail(replace(SETTINGS, bantime=LONGER), history=lambda id_: KNOWN if id_ == "192.0.2.7" else CLEAN)
    failure, decision = jail.feed(failed(0), NOW)
    assert isinstance(failure, Failure)
    assert (failure.retries, failure.weight, failure.bans, failure.attempts) == (3, 3, 2, 1)
    assert isinstance(decision, Decision)
    assert (decision.expires_at, decision.failures) == (NOW + 4 * 3600, 1)
    assert decision.increase == Increase(2, NOW - 5000, 3600)
    assert decision.reason == "1 failure, banned 2 times before"
    assert kinds(jail.feed(failed(0, host="192.0.2.8"), NOW)) == ["Failure"]


def test_bans_of_other_jails_make_a_ban_longer_but_not_sooner() -> None:
    settings = replace(SETTINGS, bantime=replace(LONGER, overalljails=True))
    jail = Jail(settings, history_everywhere=lambda id_: KNOWN)
    events = jail.feed(failed(0, 1, 2), NOW + 2)
    assert kinds(events) == ["Failure", "Failure", "Failure", "Decision"]
    assert decisions(events)[0].expires_at == NOW + 2 + 4 * 3600


def test_a_formula_that_fails_is_told_and_the_ban_is_made() -> None:
    settings = replace(SETTINGS, bantime=replace(LONGER, formula=formula.parse("1/0")))
    failure, notice, decision = Jail(settings, history=lambda id_: KNOWN).feed(failed(0), NOW)
    assert isinstance(failure, Failure)
    assert isinstance(decision, Decision)
    assert decision.expires_at == NOW + 3600
    text = "[sshd] bantime.formula comes to nothing for 192.0.2.7: division by zero; bantime is used"
    assert notice == Notice("ERROR", "observer", text)


ASKING = replace(SETTINGS, ignore=IgnoreSettings(("198.51.100.1",), command="is-customer <ip>"))


def test_the_command_is_asked_for_each_failure_and_nothing_counts_meanwhile() -> None:
    jail = Jail(ASKING)
    questions = jail.feed(failed(0, 1, 2), NOW + 2)
    assert [(q.kind, q.text, q.match.at) for q in questions if isinstance(q, Question)] == [
        ("command", "is-customer <ip>", NOW + second) for second in (0, 1, 2)
    ]
    assert (jail.failed_now, jail.failed_total) == (0, 0)
    events: list[Event] = []
    for question in questions:
        assert isinstance(question, Question)
        events += jail.answer(question, False)
    assert kinds(events) == ["Failure", "Failure", "Failure", "Decision"]


def test_who_the_command_ignores_is_not_counted() -> None:
    jail = Jail(ASKING)
    [question] = jail.feed(failed(0), NOW)
    assert isinstance(question, Question)
    assert jail.answer(question, True) == [Ignored("sshd", "192.0.2.7", "command")]
    assert jail.failed_total == 0


def test_the_command_comes_last() -> None:
    assert Jail(ASKING).feed(failed(0, host="198.51.100.1"), NOW) == [Ignored("sshd", "198.51.100.1", "ip")]


def test_a_rule_learned_while_the_command_ran_still_holds() -> None:
    jail = Jail(ASKING)
    [question] = jail.feed(failed(0), NOW)
    assert isinstance(question, Question)
    jail.ignore.learn_own([net for net in [addresses.parse("192.0.2.7")] if net])
    assert jail.answer(question, False) == [Ignored("sshd", "192.0.2.7", "ignoreself rule")]


def test_the_addresses_of_a_name_are_asked_about_one_by_one() -> None:
    jail = Jail(ASKING)
    [question] = jail.feed(failed(0, host="evil.example.org"), NOW)
    assert isinstance(question, Question)
    answer = [network for text in ("192.0.2.7", "198.51.100.1") if (network := addresses.parse(text))]
    asked, ignored = jail.answer(question, answer)
    assert isinstance(asked, Question)
    assert (asked.kind, asked.match.id) == ("command", "192.0.2.7")
    assert ignored == Ignored("sshd", "198.51.100.1", "ip")


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


def test_an_attempt_that_somebody_tells_of_weighs_as_much_as_it_has_lines() -> None:
    jail = Jail(replace(SETTINGS, ignore=IgnoreSettings(ignoreip=("192.0.2.9",))))
    him, spared = addresses.parse("192.0.2.7"), addresses.parse("192.0.2.9")
    assert kinds(jail.attempt("192.0.2.7", him, (), NOW)) == ["Failure"]
    assert (jail.failed_now, jail.failed_total) == (1, 1)
    assert kinds(jail.attempt("192.0.2.9", spared, ("a", "b", "c"), NOW)) == ["Ignored"]
    events = jail.attempt("192.0.2.7", him, ("one", "two"), NOW + 1)
    assert kinds(events) == ["Failure", "Decision"]
    assert decisions(events)[0].matches == ("one", "two")
    assert jail.failed_total == 2


def test_a_jail_that_is_made_anew_with_the_same_filter_goes_on_with_its_sessions() -> None:
    filter_ = FilterSettings(
        failregex=(
            r"^ \[<F-MLFID>\d+</F-MLFID>\] <F-NOFAIL>from</F-NOFAIL> <HOST>$",
            r"^ \[<F-MLFID>\d+</F-MLFID>\] failed$",
        )
    )
    first = Jail(replace(SETTINGS, filter=filter_))
    said = [Line(text, text, NOW) for text in (" [7] from 192.0.2.7", " [7] failed")]
    assert first.feed(said[:1], NOW) == []
    second = Jail(replace(SETTINGS, filter=filter_, bantime=BanTimeSettings(60)))
    second.inherit(first)
    assert kinds(second.feed(said[1:], NOW)) == ["Failure"]
