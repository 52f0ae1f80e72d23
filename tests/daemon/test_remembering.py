"""What a jail knows from one run to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from banish.daemon.assembly import Running
from banish.daemon.remembering import KEPT, Remembering
from banish.decisions.bantime import BanTimeSettings
from banish.failures.ignore import IgnoreSettings
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.lines.reader import LineReader, LineSettings
from banish.matching.filter import FilterSettings
from banish.model import Decision, Failure, Position, Question
from banish.store.database import Store

NOW = 1_800_000_000.0
LOG = "/var/log/a.log"
HERE = Position(1, 2, 3, b"", b"")
PLAIN = FilterSettings(failregex=(r"^ failed from <HOST>$",))
SESSION = FilterSettings(
    failregex=(
        r"^ <F-MLFID>\d+</F-MLFID> <F-NOFAIL>hello</F-NOFAIL> from <HOST>$",
        r"^ <F-MLFID>\d+</F-MLFID> refused$",
    )
)
PAIR = FilterSettings(failregex=(r"^ hello <HOST>\n refused$",), maxlines=2)


class Life:
    """One run of a daemon with one jail."""

    def __init__(self, path: Path, settings: JailSettings) -> None:
        self.store = Store.open(path, NOW)
        self.remembering = Remembering(self.store)
        self.jail = Jail(settings)
        self.now = NOW
        self.reload(self.jail)
        self.reader = LineReader(settings.lines)
        self.remembering.read_on(LOG, self.reader)

    def reload(self, *jails: Jail) -> None:
        running = {jail.name: Running(cast(Any, None), jail) for jail in jails}
        self.remembering.attend(running, self.now)

    def say(self, *texts: str, at: float = NOW) -> list[Any]:
        """Let the jail judge lines of that time, and commit; return its failures, decisions and questions."""
        stamp = datetime.fromtimestamp(at, UTC).isoformat()
        data = "".join(text.replace("@", stamp) + "\n" for text in texts).encode()
        events = self.jail.feed(self.reader.read(data, self.now), self.now, live=False)
        for event in events:
            if isinstance(event, Question):
                self.remembering.asked(event, self.now)
        self.remembering.note([self.jail], self.now)
        self.remembering.judged(LOG, [self.reader], (self.jail.name,), self.now)
        self.store.save(positions={LOG: HERE}, now=self.now)
        return [event for event in events if isinstance(event, (Failure, Decision, Question))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "banish.sqlite3"


def settings(filter_: FilterSettings = PLAIN, **more: Any) -> JailSettings:
    window = WindowSettings(**{"maxretry": 3, "findtime": 600.0, **more})
    return JailSettings("sshd", filter=filter_, window=window)


def lives(path: Path, *each: JailSettings) -> Iterator[Life]:
    """One life after the other, each of which is killed: nothing is written at its end."""
    for one in each:
        life = Life(path, one)
        yield life
        life.store._connection.close()
        if life.store._lock is not None:
            life.store._lock.release()


def test_who_has_failed_before_is_banned_by_what_is_missing(path: Path) -> None:
    first, second = lives(path, settings(), settings()), None
    next(first).say("@ failed from 192.0.2.7", "@ failed from 192.0.2.7", "@ failed from 192.0.2.8", at=NOW - 5)
    second = next(first)
    failure, ban = second.say("@ failed from 192.0.2.7")
    assert (failure.attempts, failure.since, len(failure.matches)) == (3, NOW - 5, 3)
    assert ban.reason == "3 failures in 5s"
    assert second.jail.failed_now == 1


def test_who_was_banned_begins_from_zero_after_the_crash_too(path: Path) -> None:
    story = lives(path, settings(), settings())
    next(story).say(*["@ failed from 192.0.2.7"] * 3)
    (failure,) = next(story).say("@ failed from 192.0.2.7")
    assert failure.attempts == 1


def test_a_session_goes_on_in_its_midst(path: Path) -> None:
    story = lives(path, settings(SESSION), settings(SESSION))
    assert next(story).say("@ 77 hello from 192.0.2.7") == []
    (failure,) = next(story).say("@ 77 refused")
    assert failure.id == "192.0.2.7"


def test_lines_that_are_searched_together_are_found_across_the_crash(path: Path) -> None:
    story = lives(path, settings(PAIR), settings(PAIR))
    assert next(story).say("@ hello 192.0.2.7") == []
    (failure,) = next(story).say("@ refused")
    assert failure.id == "192.0.2.7"


def test_a_line_without_a_date_borrows_that_of_the_line_before_the_crash(path: Path) -> None:
    story = lives(path, settings(), settings())
    assert next(story).say("@ something", at=NOW - 30) == []
    (failure,) = next(story).say(" failed from 192.0.2.7")
    assert failure.at == NOW - 30


def test_an_ambiguous_date_goes_on_meaning_the_same(path: Path) -> None:
    """03-02-2026 is in March where the log has shown to write the month first."""
    story = lives(path, settings(), settings())
    first = next(story)
    first.say("01-15-2027 07:59:00 something")
    before = first.reader.read(b"03-02-2026 07:59:00 x\n", NOW)[0].at
    fresh = LineReader(LineSettings()).read(b"03-02-2026 07:59:00 x\n", NOW)[0].at
    assert before != fresh, "without what was learnt it would be in February"
    assert next(story).reader.read(b"03-02-2026 07:59:00 x\n", NOW)[0].at == before


def test_a_question_nobody_has_answered_is_asked_again_with_its_match(path: Path) -> None:
    asking = replace(settings(), ignore=IgnoreSettings(command="test <ip>"))
    story = lives(path, asking, asking, asking)
    first = next(story)
    told, untold = first.say("@ failed from 192.0.2.7", "@ failed from 2001:db8::7")
    first.remembering.answered(told)
    first.store.save(now=NOW)
    second = next(story)
    (again,) = second.remembering.unanswered({"sshd"})
    assert again == untold
    assert second.remembering.unanswered({"sshd"}) == [], "it is being asked"
    (failure,) = second.jail.answer(again, False)
    assert isinstance(failure, Failure)
    assert failure.id == "2001:db8::7"
    second.remembering.answered(again)
    second.store.save(now=NOW)
    third = next(story)
    assert third.remembering.unanswered({"sshd"}) == []
    assert third.jail.failed_now == 1


@pytest.mark.parametrize(
    ("changed", "attempts", "bans"),
    [
        ({"maxretry": 2}, 3, 1),
        ({"maxretry": 5}, 3, 0),
        ({"findtime": 60.0}, 1, 0),
        ({"findtime": 86400.0}, 3, 1),
        ({"window": "exact"}, 3, 1),
        ({"maxmatches": 1}, 3, 1),
    ],
)
def test_other_settings_hold_from_the_next_failure_on(
    path: Path, changed: dict[str, Any], attempts: int, bans: int
) -> None:
    story = lives(path, settings(), settings(**changed))
    next(story).say(*["@ failed from 192.0.2.7"] * 2, at=NOW - 100)
    failure, *decisions = next(story).say("@ failed from 192.0.2.7")
    assert (failure.attempts, len(decisions)) == (attempts, bans)
    assert len(failure.matches) == (0 if not bans else min(changed.get("maxmatches", 5), attempts))


def test_with_another_filter_failures_stay_and_sessions_begin_anew(path: Path) -> None:
    other = replace(SESSION, failregex=(*SESSION.failregex, r"^ <F-MLFID>\d+</F-MLFID> bad <HOST>$"))
    story = lives(path, settings(SESSION), settings(other))
    next(story).say("@ 7 hello from 192.0.2.7", "@ 7 refused", "@ 8 hello from 192.0.2.8")
    second = next(story)
    assert second.say("@ 8 refused") == []
    (failure,) = second.say("@ 9 bad 192.0.2.7")
    assert failure.attempts == 2


def test_who_failed_too_long_ago_is_forgotten_and_who_did_within_findtime_of_a_missed_line_is_not(path: Path) -> None:
    """What was written while nobody was there counts with what was before, as if somebody had been."""
    story = lives(path, settings(), settings())
    next(story).say("@ failed from 192.0.2.7", "@ failed from 192.0.2.8", at=NOW)
    second = next(story)
    second.now = NOW + 700
    second.jail.window.follow(second.now, live=False)
    second.jail.tick(second.now)
    (soon,) = second.say("@ failed from 192.0.2.7", at=NOW + 590)
    (late,) = second.say("@ failed from 192.0.2.8", at=NOW + 690)
    assert (soon.attempts, late.attempts) == (2, 1)
    second.jail.tick(second.now + 20)
    assert second.jail.failed_now == 2


def test_a_jail_that_left_goes_on_when_it_comes_back_within_a_day(path: Path) -> None:
    life = next(lives(path, settings()))
    life.say(*["@ failed from 192.0.2.7"] * 2)
    life.reload()
    assert life.remembering.purge({LOG}, NOW + KEPT - 1) == 0
    life.jail = Jail(settings())
    life.reload(life.jail)
    assert life.jail.failed_now == 1
    life.reload()
    life.now = NOW + KEPT + 1
    while life.remembering.purge({LOG}, life.now):
        pass
    life.jail = Jail(settings())
    life.reload(life.jail)
    assert life.jail.failed_now == 0


def test_a_reload_keeps_failures_sessions_and_dates(path: Path) -> None:
    life = next(lives(path, settings(SESSION)))
    life.say("@ 7 hello from 192.0.2.7", "@ 7 refused", "@ 8 hello from 192.0.2.7")
    again = Jail(replace(settings(SESSION), bantime=BanTimeSettings(bantime=5.0)))
    again.inherit(life.jail)
    life.jail = again
    life.reload(again)
    (failure,) = life.say("@ 8 refused")
    assert failure.attempts == 2
    with closing(life.store):
        pass
    (failure, ban) = Life(path, settings(SESSION)).say("@ 8 refused")
    assert (failure.attempts, ban.id) == (3, "192.0.2.7")


def test_a_jail_joins_a_log_and_leaves_it(path: Path) -> None:
    life = next(lives(path, settings()))
    joined = life.remembering.joined
    assert joined(LOG, {"sshd"}, HERE, NOW) == {}, "nobody has judged anything of it yet"
    assert joined(LOG, {"sshd", "web"}, HERE, NOW) == {"web": None}
    life.say("@ something")  # and sshd alone judges it
    assert joined(LOG, {"sshd", "web"}, HERE, NOW) == {"web": None}
    assert joined(LOG, {"sshd", "web"}, HERE, NOW) == {}
    there = HERE._replace(offset=900)
    assert joined(LOG, {"sshd"}, there, NOW) == {}
    assert joined(LOG, {"sshd", "web"}, there._replace(offset=1000), NOW) == {"web": there}


def test_notes_that_make_no_sense_are_as_none(path: Path) -> None:
    life = next(lives(path, settings()))
    for key in (("jail", "sshd"), ("question", 5), ("source", LOG), ("ended",), ("clock",)):
        life.remembering._notes.put(key, ["nonsense"], NOW)
    assert life.remembering.unanswered({"sshd"}) == []
    assert (life.remembering.ended, life.remembering.joined(LOG, {"sshd"}, HERE, NOW)) == (None, {})
    life.reload()
    life.jail = Jail(settings())
    life.reload(life.jail)
    assert life.say("@ failed from 192.0.2.7")[0].attempts == 1
