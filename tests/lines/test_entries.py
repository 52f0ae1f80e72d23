"""Entries of the journal as lines."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from banish.lines.entries import SETTINGS, EntryWriter, stated
from banish.lines.reader import LineReader

AT = 1_795_382_583_346_326
"""2026-11-22 21:23:03.346326 UTC"""
HOUR_AHEAD = timezone(timedelta(hours=1))


class Entry:
    def __init__(self, **fields: bytes) -> None:
        self._fields = {name.encode(): value for name, value in fields.items()}

    def get(self, field: bytes) -> bytes | None:
        return self._fields.get(field)

    def realtime(self) -> int:
        return AT + 5

    def monotonic(self) -> int:
        return 12_345_678


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"SYSLOG_IDENTIFIER": b"sshd", "SYSLOG_PID": b"7", "_PID": b"8", "_COMM": b"x"}, b"h sshd[7]: m"),
        ({"_COMM": b"sshd", "_PID": b"8"}, b"h sshd[8]: m"),
        ({"SYSLOG_IDENTIFIER": b"cron"}, b"h cron: m"),
        ({"SYSLOG_IDENTIFIER": b"kernel"}, b"h kernel: [   12.345678] m"),
        ({"SYSLOG_IDENTIFIER": b"kernel", "_SOURCE_MONOTONIC_TIMESTAMP": b"459925"}, b"h kernel: [    0.459925] m"),
        ({"SYSLOG_IDENTIFIER": b"kernel", "_PID": b"8"}, b"h kernel[8]: m"),
        ({}, b"h m"),
    ],
)
def test_who_wrote_it_stands_before_the_message(fields: dict[str, bytes], text: bytes) -> None:
    line = EntryWriter(HOUR_AHEAD).line(Entry(MESSAGE=b"m", _HOSTNAME=b"h", **fields), AT)
    assert line == b"2026-11-22T22:23:03.346326+01:00 " + text + b"\n"


def test_an_entry_is_one_line_whatever_its_message_holds() -> None:
    writer = EntryWriter(HOUR_AHEAD)
    assert writer.line(Entry(MESSAGE=b"a\nb\n"), AT).endswith(rb" a\nb\n" + b"\n")
    assert writer.line(Entry(_HOSTNAME=b"h", _COMM=b"x"), AT).endswith(b" h x: \n")
    assert writer.line(Entry(MESSAGE=b"m", _COMM=b"x\ny"), AT).count(b"\n") == 1


@pytest.mark.parametrize("zone", [UTC, HOUR_AHEAD, timezone(-timedelta(hours=9, minutes=30))])
def test_the_time_comes_back_to_the_microsecond_and_the_date_goes(zone: timezone) -> None:
    writer, reader = EntryWriter(zone), LineReader(SETTINGS)
    times = [AT, AT + 1, AT + 60_000_000, 1_000_000 * 60, AT - 999_999]
    data = b"".join(writer.line(Entry(MESSAGE=b"12:00:00 m", _HOSTNAME=b"h"), at) for at in times)
    lines = reader.read(data, AT / 1e6)
    assert [line.message for line in lines] == ["h 12:00:00 m"] * len(times)
    assert [round((line.at or 0) * 1e6) for line in lines] == times


def test_an_entry_states_its_own_time_if_it_has_one() -> None:
    assert stated(Entry(_SOURCE_REALTIME_TIMESTAMP=b"%d" % AT)) == AT
    assert stated(Entry()) == stated(Entry(_SOURCE_REALTIME_TIMESTAMP=b"nonsense")) == AT + 5
    assert stated(Entry(_SOURCE_REALTIME_TIMESTAMP=b"9" * 30)) == AT + 5
