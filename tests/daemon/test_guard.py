"""Stories of lines over which expressions take too long, with the real timer and the real processes.

How long anything takes is not asserted, but that it ends at all: without the guard each of these searches takes minutes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish.daemon import guard as module
from banish.daemon.guard import Guard
from banish.jail import Jail, JailSettings
from banish.lines.reader import LineReader, LineSettings
from banish.matching.filter import Filter, FilterSettings, Sighting, Verdict
from banish.model import Failure, Line
from banish.patience import LONG, Place

EXPONENTIAL = r"^(?:a|aa)+ from <HOST>$"
QUADRATIC = r"\s+$ from <HOST>"
FAILED = r"^Failed .* from <HOST>$"
NOW = 1_700_000_000.0


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> Guard:
    return Guard(clock)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    handler, before = signal.getsignal(signal.SIGALRM), _children()
    yield
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 0.0  # no ticks; the test runner's own limit may be running
    assert _children() <= before


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def line(text: str) -> Line:
    return Line(text, text, NOW)


def find(guard: Guard, judge: Filter, text: str) -> Sighting | Verdict:
    with guard.watching():
        return judge.find(line(text))


def test_a_short_line_for_which_an_expression_takes_for_ever_is_given_up(guard: Guard) -> None:
    judge = Filter(FilterSettings((FAILED, EXPONENTIAL)), guard.jail("sshd"))

    assert find(guard, judge, "a" * 200 + "!") == Verdict("given up", 1)

    found = find(guard, judge, "aaa from 192.0.2.7")
    assert isinstance(found, Sighting)
    assert found.regex == 1
    report = guard.reports()["jail", "sshd"]
    assert (report.place, report.lines, report.characters) == (Place("failregex", 1), 1, 202)
    assert report.excerpt == "a" * 80


@pytest.mark.parametrize(
    ("regex", "turn", "length"),
    [
        (EXPONENTIAL, "a", LONG + 1),
        (EXPONENTIAL, "a", 1 << 20),
        (QUADRATIC, " ", 1 << 16),
        (QUADRATIC, " ", 1 << 20),
    ],
)
def test_a_long_one_is_given_up_too(guard: Guard, regex: str, turn: str, length: int) -> None:
    judge = Filter(FilterSettings((regex,)), guard.jail("sshd"))

    assert find(guard, judge, turn * length + "!") == Verdict("given up", 0)


@pytest.mark.parametrize("length", [1, LONG, 1 << 16, 1 << 20])
def test_a_long_line_is_judged_whole(guard: Guard, length: int) -> None:
    settings = FilterSettings((r"^never <HOST>$", FAILED), (r"ignored$", r"at all"), r"^p <F-CONTENT>.+</F-CONTENT>$")
    watched, alone = Filter(settings, guard.jail("sshd")), Filter(settings)
    for end in (" from 192.0.2.7", " from 192.0.2.7 ignored", " from", " at all from 192.0.2.7"):
        text = "p Failed " + "x" * length + end
        assert find(guard, watched, text) == alone.find(line(text))


def test_several_lines_together_are_searched_apart_as_here(guard: Guard) -> None:
    settings = FilterSettings((r"^begin \S+$<SKIPLINES>^end <HOST>$",), (r"spared",), maxlines=4)
    watched, alone = Filter(settings, guard.jail("sshd")), Filter(settings)
    for text in ("begin x", "y" * 9000, "end 192.0.2.7", "begin spared", "z" * 9000, "end 192.0.2.8", "end 192.0.2.9"):
        assert find(guard, watched, text) == alone.find(line(text))


def test_lines_before_one_that_was_given_up_are_forgotten_with_it(guard: Guard) -> None:
    judge = Filter(FilterSettings((r"^(?:a|aa)+!\n(?:a|aa)+ from <HOST>$",), maxlines=3), guard.jail("sshd"))

    find(guard, judge, "aaa!")
    assert find(guard, judge, "a" * 200).outcome == "given up"  # type: ignore[union-attr]
    assert find(guard, judge, "aaa from 192.0.2.7") == Verdict("none")
    find(guard, judge, "aaa!")
    assert isinstance(find(guard, judge, "aaa from 192.0.2.7"), Sighting)


def test_which_expression_it_was_is_told(guard: Guard) -> None:
    settings = FilterSettings(
        (FAILED,), (EXPONENTIAL.replace(" from <HOST>", ""),), r"^(?:p|pp)+ <F-CONTENT>.*</F-CONTENT>"
    )
    judge = Filter(settings, guard.jail("sshd"))
    find(guard, judge, "p" * 200)
    assert guard.reports()["jail", "sshd"].place == Place("prefregex")

    other = Filter(FilterSettings((r"^a+! <HOST>",), (r"^(?:a|aa)+$",)), guard.jail("other"))
    find(guard, other, "a" * 200 + "! 192.0.2.7")
    assert guard.reports()["jail", "other"].place == Place("ignoreregex")


@pytest.mark.parametrize("length", [200, 9000])
@pytest.mark.parametrize("pattern", [r"^(?:a|aa)+ {DATE}", r"(?:a|aa)+ %Y-%m-%d %H:%M:%S"])
def test_a_line_in_which_a_date_is_sought_for_ever_becomes_an_empty_one(
    guard: Guard, pattern: str, length: int
) -> None:
    reader = LineReader(LineSettings((pattern,)), patience=guard.source("/var/log/x"))
    good = b"aaa 2023-11-14 22:13:20 good\n"

    with guard.watching():
        lines = reader.read(good + b"a" * length + b"!\n" + good, NOW)

    assert [each.text for each in lines] == ["aaa 2023-11-14 22:13:20 good", "", "aaa 2023-11-14 22:13:20 good"]
    assert lines[0].at == lines[2].at is not None
    assert lines[1].at is None
    assert guard.reports()["source", "/var/log/x"].place == Place("datepattern")


@pytest.mark.parametrize("patterns", [(), (r"^[^\[]*\[({DATE})", "{^LN-BEG}")])
def test_dates_in_long_lines_are_the_same(guard: Guard, patterns: tuple[str, ...]) -> None:
    watched = LineReader(LineSettings(patterns), patience=guard.source("/var/log/x"))
    alone = LineReader(LineSettings(patterns))
    dates = ("2023-11-14 22:13:20", "14/Nov/2023:22:13:21 +0000", "Nov 14 22:13:22")
    stories = [
        f"{before}[{date}] {'x' * length}"
        for length in (3, 9000)
        for date in dates
        for before in ("", "a ", "b" * 5000)
    ]
    data = "\n".join([*stories, *reversed(stories), *stories]).encode() + b"\n"

    with guard.watching():
        found = watched.read(data, NOW)

    assert found == alone.read(data, NOW)
    assert all(each.at is not None for each in found)


def test_a_default_date_may_stand_across_the_steps_in_which_a_long_line_is_searched(guard: Guard) -> None:
    reader = LineReader(LineSettings(), patience=guard.source("/var/log/x"))
    date = "Tue Nov 14 22:13:20.123 2023"
    for place in range(LONG - len(date) - 3, LONG + 3):
        reader = LineReader(LineSettings())
        (found,) = reader.read(f"{'x' * place} {date} {'y' * 5000}".encode(), NOW)
        assert (found.at, found.message) == (NOW, f"{'x' * place}  {'y' * 5000}")


def test_a_line_takes_no_more_for_many_jails_than_for_a_few(guard: Guard) -> None:
    judges = [Filter(FilterSettings((EXPONENTIAL,)), guard.jail(f"jail{number}")) for number in range(20)]
    with guard.watching():
        for judge in judges:
            judge.find(line("a" * 200 + "!"))
        spent = sum(guard._slow.values())

    assert all(report.lines == 1 for report in guard.reports().values())
    assert len(guard.reports()) == len(judges)
    assert spent < 20 * module.PATIENT / 2


def test_a_stream_of_such_lines_uses_up_the_credit_but_ordinary_lines_are_judged(guard: Guard, clock: Clock) -> None:
    jail = Jail(JailSettings("sshd", filter=FilterSettings((EXPONENTIAL,))), patience=guard.jail("sshd"))
    for _ in range(50):
        with guard.watching():
            assert jail.feed([line("a" * 200 + "!")], NOW) == []
    allowance = guard.jail("sshd")
    assert allowance.impatient()
    assert allowance.lines == 50

    with guard.watching():
        (event,) = jail.feed([line("aaa from 192.0.2.7")], NOW)
        assert isinstance(event, Failure)
        assert jail.feed([line("a" * (LONG + 1) + " from 192.0.2.7")], NOW) == []  # too long to be broken off so soon

    clock.at += module.CREDIT / module.REFILL
    assert not allowance.impatient()
    with guard.watching():
        assert len(jail.feed([line("a" * (LONG + 1) + " from 192.0.2.7")], NOW)) == 1


def test_lines_that_are_only_a_little_slow_use_up_the_credit_too(guard: Guard) -> None:
    judge = Filter(FilterSettings((QUADRATIC,)), guard.jail("sshd"))
    text = " " * 2000 + "!"
    for _ in range(200):
        if guard.jail("sshd").impatient():
            break
        find(guard, judge, text)
    assert guard.jail("sshd").impatient()


def test_a_report_stays_the_same_for_a_while_and_is_forgotten_in_the_end(guard: Guard, clock: Clock) -> None:
    allowance = guard.jail("sshd")
    assert guard.reports() == {}
    for number in range(3):
        allowance.gave_up(f"line {number}", Place("failregex", 0))
        assert guard.reports()["jail", "sshd"].lines == 1
    clock.at += module.TELL_EVERY
    assert guard.reports()["jail", "sshd"].lines == 3
    clock.at += module.FORGET_AFTER
    assert guard.reports() == {}


def test_where_there_are_no_signals_nothing_is_broken_off(guard: Guard) -> None:
    found: list[Sighting | Verdict] = []
    judge = Filter(FilterSettings((EXPONENTIAL,)), guard.jail("sshd"))
    other = threading.Thread(target=lambda: found.append(find(guard, judge, "a" * 20 + "!")))
    other.start()
    other.join()
    assert found == [Verdict("none")]


def test_the_process_apart_answers_no_signal_and_keeps_no_file_of_ours(guard: Guard) -> None:
    told: list[int] = []
    read, write = os.pipe()

    def trial(_about: object, tell: object) -> None:
        assert callable(tell)
        tell(len(os.listdir("/proc/self/fd")))
        tell(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
        tell(os.path.exists(f"/proc/self/fd/{write}"))

    with guard.watching():
        told += guard.jail("sshd").apart(trial, None, "x")
    os.close(read)
    os.close(write)
    assert told == [6, True, False]  # three of the standard ones, two pipes, and the one with which we look
