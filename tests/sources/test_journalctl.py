"""What journalctl writes, and how it is called."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from banish.sources.journalctl import Entries, Journalctl
from banish.sources.tape import JournalOptions, Place

ENTRIES = st.lists(
    st.lists(
        st.tuples(st.sampled_from([b"MESSAGE", b"_PID", b"__CURSOR"]), st.binary(max_size=40)), min_size=1, max_size=4
    ),
    max_size=5,
)


def exported(entries: list[list[tuple[bytes, bytes]]]) -> bytes:
    """Write *entries* as https://systemd.io/JOURNAL_EXPORT_FORMATS/ says."""
    return b"".join(
        b"".join(
            field + b"=" + value + b"\n"
            if value.isascii() and value.decode().isprintable()
            else field + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
            for field, value in entry
        )
        + b"\n"
        for entry in entries
    )


@given(ENTRIES, st.integers(1, 30))
def test_entries_are_the_same_however_they_are_cut_up(entries: list[list[tuple[bytes, bytes]]], size: int) -> None:
    parser, found, data = Entries(), [], exported(entries)
    for at in range(0, len(data), size):
        parser.add(data[at : at + size])
        while (parsed := parser.next()) is not None:
            found.append(parsed)
    expected: list[dict[bytes, list[bytes]]] = []
    for entry in entries:
        expected.append({})
        for field, value in entry:
            expected[-1].setdefault(field, []).append(value)
    assert found == expected


def test_the_command_line() -> None:
    tape = Journalctl(JournalOptions(namespace="web"))
    tape.match([[b"A=1", b"B=2"], [b"_COMM=sshd"]])
    tape.seek_time(1_500_000_000_000_001)
    words = tape.arguments()
    assert words[:6] == ["journalctl", "--quiet", "--no-pager", "--follow", "--no-tail", "--output=export"]
    assert words[7:] == ["--since=@1500000000.000001", "--namespace=web", b"A=1", b"B=2", "+", b"_COMM=sshd"]
    fields = str(words[6]).removeprefix("--output-fields=").split(",")
    assert {"A", "B", "MESSAGE", "_COMM", "_HOSTNAME", "_SOURCE_REALTIME_TIMESTAMP"} <= set(fields)
    assert Journalctl(JournalOptions()).arguments()[-2:] == ["--merge", "--system"]


def cursor(source: str = "a", number: int = 1, boot: str = "b", monotonic: int = 1, realtime: int = 1) -> str:
    return f"s={source};i={number:x};b={boot};m={monotonic:x};t={realtime:x};x=0"


def test_places_are_in_order() -> None:
    here = Place.of(cursor(number=5, monotonic=5, realtime=5))
    assert here is not None
    for other, reached in [
        (cursor(number=5), True),
        (cursor(number=6), False),
        (cursor("other", number=9, monotonic=4), True),
        (cursor("other", number=1, monotonic=6), False),
        (cursor("other", boot="c", monotonic=9, realtime=4), True),
        (cursor("other", boot="c", monotonic=1, realtime=6), False),
    ]:
        place = Place.of(other)
        assert place is not None
        assert here.reaches(place) is reached
    assert Place.of("nonsense") is None
