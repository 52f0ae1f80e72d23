"""The journal source against a real systemd-journald."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
from banish.cli import match
from banish.lines.entries import SETTINGS, EntryWriter
from banish.lines.reader import LineReader
from banish.model import Cursor, JournalBatch
from banish.sources.filetape import FileTape
from banish.sources.journal import JournalSource
from banish.sources.journalctl import Journalctl
from banish.sources.matches import Match, Router, Watch
from banish.sources.sdjournal import SdJournal, library
from banish.sources.tape import JournalOptions, Tape
from lab.journald import Journald, can_run

LACKING = lab.can_run(sshd=False) or can_run() or ("" if library() else "libsystemd.so.0 is not installed")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

Kind = type[FileTape] | type[SdJournal] | type[Journalctl]
Opener = Callable[[JournalOptions], Tape]
_NUMBER = re.compile(rb"number (\d+)")


@pytest.fixture(scope="module")
def laboratory() -> Iterator[tuple[lab.Lab, lab.Host]]:
    with lab.Lab.hold() as held:
        yield held, held.host("journal")


@pytest.fixture
def journald(laboratory: tuple[lab.Lab, lab.Host]) -> Iterator[Journald]:
    with Journald(*laboratory) as running:
        yield running


def opened_by(journald: Journald, tape: Kind = FileTape) -> Opener:
    """Open the laboratory's journal in place of this machine's."""
    return lambda options: tape(JournalOptions(options.flags, str(journald.files)))


EACH = pytest.mark.parametrize("tape", [FileTape, SdJournal, Journalctl])


def watch(*matches: str) -> Watch:
    return Watch(JournalOptions(), matches)


async def gathered(
    source: JournalSource, enough: Callable[[list[JournalBatch]], bool], seconds: float = 20.0
) -> list[JournalBatch]:
    """Take batches until there are *enough*, or for *seconds*."""
    found: list[JournalBatch] = []

    async def take() -> None:
        async for batch in source.batches():
            found.append(batch)
            if enough(found):
                return

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(take(), seconds)
    return found


def numbers(batches: list[JournalBatch]) -> list[int]:
    return [int(number) for batch in batches for number in _NUMBER.findall(batch.data)]


def follow(
    journald: Journald,
    enough: Callable[[list[JournalBatch]], bool],
    *watches: Watch,
    tape: Kind = FileTape,
    positions: dict[str, Cursor] | None = None,
    seconds: float = 20.0,
) -> tuple[list[JournalBatch], dict[str, Cursor]]:
    """Follow *watches* until there is *enough*; return the batches and the positions to go on from."""
    source = JournalSource(positions, opener=opened_by(journald, tape))
    source.configure((each, 600.0) for each in watches)
    try:
        found = asyncio.run(gathered(source, enough, seconds))
        return found, source.positions()
    finally:
        source.close()


def at_least(count: int) -> Callable[[list[JournalBatch]], bool]:
    return lambda batches: len(numbers(batches)) >= count


@EACH
def test_entries_become_lines_as_fail2ban_makes_them(journald: Journald, tape: Kind) -> None:
    began = time.time()
    journald.send("number 1", SYSLOG_IDENTIFIER="sshd", SYSLOG_PID="77")
    journald.send("number 2\nand more", SYSLOG_IDENTIFIER="sshd", SYSLOG_PID="77")
    journald.send(b"number 3 caf\xc3\xa9 \xff\x00!", SYSLOG_IDENTIFIER="sshd", SYSLOG_PID="77")
    journald.send("number 4", SYSLOG_IDENTIFIER="cron")
    found, _ = follow(journald, at_least(3), watch("SYSLOG_IDENTIFIER=sshd"), tape=tape)
    data = b"".join(batch.data for batch in found)
    host = os.uname().nodename
    lines = LineReader(SETTINGS).read(data, time.time())
    assert [line.message for line in lines] == [
        f"{host} sshd[77]: number 1",
        f"{host} sshd[77]: number 2\\nand more",
        f"{host} sshd[77]: number 3 café \ufffd\x00!",
    ]
    for line in lines:
        assert line.at is not None
        assert began - 0.001 <= line.at <= time.time()
    assert len({line.at for line in lines}) == 3, "times are told to the microsecond"
    assert [batch.source for batch in found] == ["systemd-journal SYSLOG_IDENTIFIER=sshd"] * len(found)


@EACH
def test_no_entry_is_lost_or_doubled_while_files_rotate_and_vanish(journald: Journald, tape: Kind) -> None:
    count = 6000

    def write() -> None:
        for number in range(count):
            journald.send(f"number {number}", SYSLOG_IDENTIFIER="load")
            if number % 500 == 499:
                journald.rotate()
                time.sleep(0.15)
            if number % 1500 == 1499:
                # what is taken away has been read: a reader that is behind cannot but lose what is gone
                time.sleep(0.6)
                journald.vacuum()

    source = JournalSource(opener=opened_by(journald, tape))
    source.configure([(watch("SYSLOG_IDENTIFIER=load"), 600.0)])

    async def story() -> list[JournalBatch]:
        writing = asyncio.create_task(asyncio.to_thread(write))
        found = await gathered(source, at_least(count))
        await writing
        return found + await gathered(source, at_least(1), 0.5)

    found = asyncio.run(story())
    source.close()
    assert numbers(found) == list(range(count))


@EACH
def test_a_source_goes_on_where_an_earlier_one_was(journald: Journald, tape: Kind) -> None:
    mine = watch("SYSLOG_IDENTIFIER=mine")
    for number in range(50):
        journald.send(f"number {number}", SYSLOG_IDENTIFIER="mine")
    found, positions = follow(journald, at_least(50), mine, tape=tape)
    assert numbers(found) == list(range(50))
    for number in range(50, 100):
        journald.send(f"number {number}", SYSLOG_IDENTIFIER="mine")
    found, _ = follow(journald, at_least(50), mine, tape=tape, positions=positions)
    assert numbers(found) == list(range(50, 100))


@EACH
def test_a_cursor_whose_entry_is_gone_goes_on_with_the_next(journald: Journald, tape: Kind) -> None:
    mine = watch("SYSLOG_IDENTIFIER=mine")
    for number in range(20):
        journald.send(f"number {number}", SYSLOG_IDENTIFIER="mine")
    found, positions = follow(journald, at_least(20), mine, tape=tape)
    assert numbers(found) == list(range(20))
    for number in range(20, 40):
        journald.rotate()
        time.sleep(0.02)
        journald.send(f"number {number}", SYSLOG_IDENTIFIER="mine")
    wait_for_files(journald)
    journald.vacuum(5)
    found, _ = follow(journald, at_least(20), mine, tape=tape, positions=positions, seconds=3)
    assert numbers(found) == list(range(numbers(found)[0], 40))
    assert 20 <= numbers(found)[0] < 40


def wait_for_files(journald: Journald) -> None:
    deadline = time.monotonic() + 5
    while len(list(journald.files.glob("*/*.journal"))) < 15 and time.monotonic() < deadline:
        time.sleep(0.05)


def test_what_was_written_long_ago_is_too_old(journald: Journald) -> None:
    journald.send("number 1", SYSLOG_IDENTIFIER="mine")
    follow(journald, at_least(1), watch("SYSLOG_IDENTIFIER=mine"))
    source = JournalSource(opener=opened_by(journald), wall=lambda: time.time() + 700)
    source.configure([(watch("SYSLOG_IDENTIFIER=mine"), 600.0)])
    assert asyncio.run(gathered(source, at_least(1), 0.5)) == []
    source.close()


def test_fifty_jails_share_one_handle_and_each_gets_its_own(journald: Journald) -> None:
    watches = [watch(f"SYSLOG_IDENTIFIER=service{number} + JAIL={number}") for number in range(50)]
    for number in range(200):
        journald.send(f"number {number}", SYSLOG_IDENTIFIER=f"service{number % 50}")
        journald.send(f"number {1000 + number}", SYSLOG_IDENTIFIER="other", JAIL=str(number % 50))
        journald.send(f"number {2000 + number}", SYSLOG_IDENTIFIER="nobody's")
    before = len(os.listdir("/proc/self/fd"))
    opened = []

    def opener(options: JournalOptions) -> Tape:
        opened.append(opened_by(journald)(options))
        return opened[-1]

    source = JournalSource(opener=opener)
    source.configure((each, 600.0) for each in watches)

    async def follow_and_count() -> tuple[list[JournalBatch], int]:
        found = await gathered(source, at_least(400))
        return found, len(os.listdir("/proc/self/fd"))

    found, descriptors = asyncio.run(follow_and_count())
    assert len(opened) == 1
    assert descriptors - before < 12, "what the loop needs, the watched directories and the few files of the journal"
    assert Counter(numbers(found)) == Counter([*range(200), *range(1000, 1200)])
    for batch in found:
        mine = int(re.findall(r"JAIL=(\d+)", batch.source)[0])
        assert {number % 50 for number in numbers([batch])} == {mine}
    source.close()


def test_an_entry_that_two_jails_match_goes_to_both_and_a_new_jail_looks_back_alone(journald: Journald) -> None:
    old, new = watch("SYSLOG_IDENTIFIER=a"), watch("JAIL=1")
    journald.send("number 1", SYSLOG_IDENTIFIER="a", JAIL="1")
    source = JournalSource(opener=opened_by(journald))
    source.configure([(old, 600.0)])

    async def story() -> None:
        assert [batch.source for batch in await gathered(source, at_least(1))] == [old.name]
        source.configure([(old, 600.0), (new, 600.0)])
        found = await gathered(source, at_least(1))
        assert [(batch.source, numbers([batch])) for batch in found] == [(new.name, [1])]
        journald.send("number 2", SYSLOG_IDENTIFIER="a", JAIL="1")
        found = await gathered(source, at_least(2))
        assert sorted((batch.source, tuple(numbers([batch]))) for batch in found) == [
            (new.name, (2,)),
            (old.name, (2,)),
        ]
        assert all(batch.live for batch in found)

    asyncio.run(story())
    source.close()


def test_a_field_that_an_entry_has_twice_meets_both_jails(journald: Journald) -> None:
    one, two = watch("COLOUR=red"), watch("COLOUR=blue")
    socket = journald._socket
    assert socket is not None
    socket.send(b"MESSAGE=number 1\nCOLOUR=red\nCOLOUR=blue\n")
    found, _ = follow(journald, at_least(2), one, two, seconds=5)
    assert {batch.source for batch in found} == {one.name, two.name}


def test_entries_are_seen_at_once_and_journald_may_restart(journald: Journald) -> None:
    source = JournalSource(opener=opened_by(journald))
    source.configure([(watch("SYSLOG_IDENTIFIER=mine"), 600.0)])

    async def story() -> None:
        for number in range(3):
            await asyncio.to_thread(journald.send, f"number {number}", SYSLOG_IDENTIFIER="mine")
            assert numbers(await gathered(source, at_least(1), 5)) == [number]
        await asyncio.to_thread(journald.stop)
        await asyncio.to_thread(journald.start)
        await asyncio.to_thread(journald.send, "number 3", SYSLOG_IDENTIFIER="mine")
        assert numbers(await gathered(source, at_least(1), 8)) == [3]

    asyncio.run(story())
    source.close()


def test_after_an_entry_it_is_only_asked_whether_there_is_more(
    journald: Journald, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"lines": 0, "added": 0}

    def counted(name: str) -> None:
        plain = getattr(FileTape, name)

        def call(*args: Any) -> Any:
            asked[name] += 1
            return plain(*args)

        monkeypatch.setattr(FileTape, name, call)

    counted("lines")
    counted("added")
    source = JournalSource(opener=opened_by(journald, FileTape))
    source.configure([(watch("SYSLOG_IDENTIFIER=sshd"), 600.0)])

    async def story() -> None:
        journald.send("number 1", SYSLOG_IDENTIFIER="sshd")
        assert await gathered(source, at_least(1))
        before = dict(asked)
        assert await gathered(source, at_least(1), 1.5) == []
        looks, glances = (asked[name] - before[name] for name in ("lines", "added"))
        assert 0 < looks <= 1.5 / 0.25 + 3
        assert looks < glances <= 1.5 / 0.02 + 1
        journald.send("number 2", SYSLOG_IDENTIFIER="sshd")
        assert numbers(await gathered(source, at_least(1))) == [2]

    try:
        asyncio.run(story())
    finally:
        source.close()


def test_a_tape_tells_whether_something_was_added(journald: Journald) -> None:
    journald.send("number 1", SYSLOG_IDENTIFIER="sshd")
    follow(journald, at_least(1), watch("SYSLOG_IDENTIFIER=sshd"))
    tape = opened_by(journald, FileTape)(JournalOptions())
    tape.seek_time(0)
    router: Router[str] = Router([("sshd", Match(()))])
    assert tape.added(), "nothing has been taken"
    assert [len(each) for each in tape.lines(router, EntryWriter(), 1) if each]
    assert not tape.added()
    journald.send("number 2", SYSLOG_IDENTIFIER="cron")
    deadline = time.monotonic() + 5
    while not tape.added():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    tape.close()


def test_it_is_known_until_when_all_has_been_handed_over(journald: Journald) -> None:
    mine = watch("SYSLOG_IDENTIFIER=mine")
    source = JournalSource(opener=opened_by(journald))
    source.configure([(mine, 600.0)])
    assert source.seen_until(mine.name) == source.handed_at(mine.name) == -math.inf

    async def story() -> None:
        began = time.time()
        journald.send("number 1", SYSLOG_IDENTIFIER="mine")
        assert numbers(await gathered(source, at_least(1))) == [1]
        assert await gathered(source, at_least(1), 0.3) == []
        assert source.seen_until(mine.name) > time.time() - 0.2
        assert began - 0.1 < source.handed_at(mine.name) < time.time()

    asyncio.run(story())
    source.close()


def test_a_filter_is_matched_against_the_journal(journald: Journald, capsys: pytest.CaptureFixture[str]) -> None:
    journald.send("Failed password for root from 192.0.2.7 port 22 ssh2", SYSLOG_IDENTIFIER="sshd", SYSLOG_PID="7")
    journald.send("Failed password for root from 192.0.2.8 port 22 ssh2", SYSLOG_IDENTIFIER="other", SYSLOG_PID="7")
    follow(journald, lambda batches: len(batches) > 0, watch("SYSLOG_IDENTIFIER=other"))
    log = f"systemd-journal[journalpath={journald.files}]"
    assert match.run([log, "sshd", "-m", "SYSLOG_IDENTIFIER=sshd", "--json"]) == 0
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["outcome"], line["failures"][0]["host"]) == ("failure", "192.0.2.7")
    assert match.run([log, "sshd"]) == 0
    assert "_SYSTEMD_UNIT=ssh.service" in capsys.readouterr().out


def test_a_journal_that_is_not_there_is_a_problem_and_no_more(tmp_path: Path) -> None:
    source = JournalSource()
    options = JournalOptions(path=str(tmp_path / "none"))
    source.configure([(Watch(options, ("A=1",)), 600.0)])
    assert asyncio.run(gathered(source, at_least(1), 0.3)) == []
    name = f"systemd-journal[journalpath={tmp_path}/none] A=1"
    assert list(source.problems()) == [name]
    source.close()
