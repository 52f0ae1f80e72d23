"""Our own reader of journal files against libsystemd, on the files of a real systemd-journald."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from banish.lines.entries import EntryWriter
from banish.model import Cursor
from banish.sources import unpacking
from banish.sources.filetape import FileTape
from banish.sources.journalfile import JournalFile, UnsupportedError
from banish.sources.matches import Match, Router, Watch
from banish.sources.opening import between
from banish.sources.sdjournal import SdJournal, library
from banish.sources.tape import JournalError, JournalOptions, Tape
from lab.journald import Journald, Service, can_run

LACKING = lab.can_run(sshd=False) or can_run() or ("" if library() else "libsystemd.so.0 is not installed")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

MATCHES: tuple[list[str], ...] = (
    [],
    ["PROGRAM=a"],
    ["PROGRAM=a PROGRAM=b"],
    ["PROGRAM=a COLOUR=red"],
    ["PROGRAM=a COLOUR=red + PROGRAM=c"],
    ["PROGRAM=none"],
    ["COLOUR=blue", "PROGRAM=b COLOUR=green"],
    ["PROGRAM=none COLOUR=red + COLOUR=red PROGRAM=b"],
    ["'MESSAGE=number 7'"],
    ["SYSLOG_IDENTIFIER=one SYSLOG_IDENTIFIER=two"],
)


@pytest.fixture(scope="module", params=["1", "0"], ids=["compact", "regular"])
def written(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The directory of a journal of some hundred entries, in several files."""
    choice = random.Random(8)
    with contextlib.ExitStack() as opened:
        opened.enter_context(pytest.MonkeyPatch.context()).setenv("SYSTEMD_JOURNAL_COMPACT", request.param)
        held = opened.enter_context(lab.Lab.hold())
        host = held.host("journal")
        journald = opened.enter_context(Journald(held, host))
        services = [opened.enter_context(Service(host, name)) for name in ("one", "two", "two")]
        for number in range(900):
            fields = {"PROGRAM": choice.choice("abcd"), "SYSLOG_IDENTIFIER": choice.choice(("x", "y"))}
            if choice.random() < 0.7:
                fields["COLOUR"] = choice.choice(("red", "green", "blue"))
            if choice.random() < 0.2:
                fields["SYSLOG_PID"] = str(choice.randrange(5))
            if choice.random() < 0.05:
                fields["MESSAGE"] = "another message"  # besides the one that stands first
            if choice.random() < 0.5:
                for _ in range(choice.randrange(6)):
                    choice.choice(services).say(choice.choice(("again", f"said {number}", f"said {choice.random()}")))
            text = f"number {number % 300}"
            journald.send(text + "\n" + "long " * 400 if choice.random() < 0.03 else text, **fields)
            if number in (300, 500):
                journald.rotate()
                time.sleep(0.3)
        journald.send("number 7", PROGRAM="last")
        deadline = time.monotonic() + 20
        while not _told(SdJournal(JournalOptions(path=str(journald.files))), ["PROGRAM=last"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield journald.files


def _told(tape: Tape, match: list[str], usec: int = 0, cursor: str = "") -> list[bytes]:
    return [line for line, _ in _places(tape, match, usec, cursor)]


def _places(tape: Tape, match: list[str], usec: int = 0, cursor: str = "") -> list[tuple[bytes, str]]:
    meant = Match(match)
    tape.match(meant.groups)
    if cursor:
        tape.seek_cursor(cursor)
    else:
        tape.seek_time(usec)
    router = Router([("all", meant)])
    try:
        return [(line, tape.cursor()) for entries in tape.lines(router, EntryWriter()) for _, line in entries]
    finally:
        tape.close()


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_it_tells_what_libsystemd_tells(written: Path, match: list[str]) -> None:
    options = JournalOptions(path=str(written))
    expected = _places(SdJournal(options), match)
    assert _places(FileTape(options), match) == expected
    assert expected or "none" in str(match)


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_many_entries_in_one_go_are_what_each_is_by_itself(written: Path, match: list[str]) -> None:
    options, meant = JournalOptions(path=str(written)), Match(match)
    expected = _told(SdJournal(options), match)
    for most in (3, 64):
        tape = FileTape(options)
        tape.match(meant.groups)
        tape.seek_time(0)
        taken = list(tape.lines(Router([(None, meant)]), EntryWriter(), most))
        tape.close()
        assert [line for entries in taken for _, line in entries] == expected
        assert all(len(entries) <= most for entries in taken)
        if "SYSLOG_IDENTIFIER" in str(match):
            assert max(map(len, taken)) > 1


def test_a_reader_who_stops_goes_on_behind_what_was_taken(written: Path) -> None:
    options, match = JournalOptions(path=str(written)), ["SYSLOG_IDENTIFIER=one SYSLOG_IDENTIFIER=two"]
    places = _places(SdJournal(options), match)
    tape, router, count = FileTape(options), Router([(None, Match(match))]), 0
    tape.match(Match(match).groups)
    tape.seek_time(0)
    while entries := next(tape.lines(router, EntryWriter(), 7), []):
        assert [line for _, line in entries] == [line for line, _ in places[count : count + len(entries)]]
        count += len(entries)
        # Where it says that it stands is at the last one, or at one behind it that nobody wanted.
        last, following = places[count - 1], places[count : count + 1]
        assert _places(FileTape(options), match, cursor=tape.cursor())[:1] in ([last], following)
    tape.close()
    assert count == len(places)


def test_it_goes_on_at_any_place_as_libsystemd_does(written: Path) -> None:
    options = JournalOptions(path=str(written))
    places = _places(SdJournal(options), ["PROGRAM=a"])
    for _, cursor in places[:: len(places) // 5]:
        usec = int(cursor.split("t=")[1].split(";")[0], 16)
        for match in (["PROGRAM=a"], ["COLOUR=red"], []):
            for start in (usec, usec + 1):
                assert _told(FileTape(options), match, start) == _told(SdJournal(options), match, start)
            assert _told(FileTape(options), match, cursor=cursor) == _told(SdJournal(options), match, cursor=cursor)


def test_what_lies_between_two_places_is_told(written: Path) -> None:
    options = JournalOptions(path=str(written))
    watch = Watch(options, ("PROGRAM=a",))
    places = _places(SdJournal(options), ["PROGRAM=a"])
    cursors = [Cursor(text, int(text.split("t=")[1].split(";")[0], 16) / 1e6) for _, text in places]
    lines = [line for line, _ in places]
    assert list(between(watch, 0.0, None, cursors[-1])) == lines
    assert list(between(watch, 0.0, cursors[3], cursors[9])) == lines[4:10]
    assert list(between(watch, 0.0, cursors[9], cursors[9])) == []
    assert list(between(watch, cursors[5].at, None, cursors[9])) == lines[5:10]
    assert list(between(watch, cursors[5].at, cursors[3], cursors[9])) == lines[5:10], "what is older is too old"
    # Where the others are may be at an entry that this watch does not want.
    (other,) = {text for _, text in _places(SdJournal(options), ["PROGRAM=last"])}
    assert list(between(watch, 0.0, cursors[-3], Cursor(other, cursors[-1].at + 1))) == lines[-2:]


def test_several_matches_are_told_apart(written: Path) -> None:
    options = JournalOptions(path=str(written))
    found = []
    for tape in (FileTape(options), SdJournal(options)):
        matches = [Match(match) for match in MATCHES if match]
        tape.match([group for match in matches for group in match.groups])
        tape.seek_time(0)
        router = Router([(match.text, match) for match in matches])
        found.append([each for entries in tape.lines(router, EntryWriter(), 50) for each in entries])
        tape.close()
    assert found[0] == found[1]


def test_files_that_were_read_are_closed(written: Path) -> None:
    tape = FileTape(JournalOptions(path=str(written)))
    tape.match(())
    tape.seek_time(0)
    assert len(tape.open_files()) == 3
    assert sum(map(len, tape.lines(Router([(1, Match())]), EntryWriter(), 100))) >= 901
    assert len(tape.open_files()) == 1
    tape.close()


def test_a_file_that_is_no_journal_is_left_to_the_library(written: Path, tmp_path: Path) -> None:
    shutil.copy(next(written.glob("*/system.journal")), tmp_path / "system.journal")
    for name, data in (("a.journal", b"LPKSHHRH" + bytes(300)), ("b.journal", b"text, and nothing else " * 40)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnsupportedError, match=name):
            FileTape(JournalOptions(path=str(tmp_path)))
        (tmp_path / name).unlink()
    (tmp_path / "c.journal").touch()  # one that is just being made
    FileTape(JournalOptions(path=str(tmp_path))).close()


def _outcome(directory: Path, data: bytes | bytearray) -> str:
    (directory / "system.journal").write_bytes(data)
    try:
        tape = FileTape(JournalOptions(path=str(directory)))
        try:
            tape.match(Match(["PROGRAM=a"]).groups)
            tape.seek_time(0)
            return "read" if any(list(tape.lines(Router([(1, Match())]), EntryWriter(), 100))) else "nothing"
        finally:
            tape.close()
    except JournalError:
        return "error"


def test_damage_is_an_error_and_no_crash(written: Path, tmp_path: Path) -> None:
    whole = next(written.glob("*/system@*.journal")).read_bytes()
    begin = whole.find(b"MESSAGE=number")
    assert _outcome(tmp_path, whole) == "read"
    assert _outcome(tmp_path, whole[:begin].ljust(len(whole), b"\0")) == "error"
    assert _outcome(tmp_path, whole[: begin + 1000]) == "error", "it was cut short"
    choice = random.Random(3)
    for _ in range(20):
        damaged = bytearray(whole)
        for at in (choice.randrange(272), choice.randrange(begin, len(whole) - 8)):
            damaged[at : at + 8] = choice.randbytes(8)
        assert _outcome(tmp_path, damaged) in ("read", "nothing", "error")


@pytest.mark.parametrize(("program", "flag"), [("xz", unpacking.XZ), ("zstd", unpacking.ZSTD)])
def test_compressed_fields_are_unpacked(program: str, flag: int) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    text = bytes(random.Random(1).choices(b"abc ", k=300_000))
    packed = subprocess.run([program, "-c"], input=text, capture_output=True, check=True).stdout
    assert unpacking.unpack(flag, packed, 1 << 20) == text
    assert unpacking.unpack(flag, packed, 1000) == text[:1000]
    assert unpacking.unpack(flag, b"no such thing", 1000) is None


def test_lz4_is_unpacked() -> None:
    literals = b"sixteen letters!"  # a block of one sequence: the length of its literals, and these
    packed = len(literals).to_bytes(8, "little") + bytes((0xF0, len(literals) - 15)) + literals
    assert unpacking.unpack(unpacking.LZ4, packed, 1 << 20) == literals
    assert unpacking.unpack(unpacking.LZ4, b"\1" * 20, 1 << 20) is None


def test_what_a_file_holds_is_found_by_its_hash(written: Path) -> None:
    file = JournalFile(str(next(written.glob("*/system.journal"))))
    at = file.find(b"PROGRAM=a", file.bucket(b"PROGRAM=a"))
    assert file.value(at) == b"PROGRAM=a"
    assert file.entries_with(at) > 0
    assert file.find(b"PROGRAM=nobody", file.bucket(b"PROGRAM=nobody")) == 0
    file.close()
