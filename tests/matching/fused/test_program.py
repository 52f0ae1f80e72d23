"""Buffers in, rows out: one for each line, whatever stands in it."""

from __future__ import annotations

import re

import pytest

from banish.matching.filter import Filter, FilterSettings
from banish.matching.fused import pcre2
from banish.matching.fused.program import CHUNK, LONG, Program, Refusal, program
from tests.matching.fused.both import rows as dated

DATES = re.compile(r"^(\d\d)")

pytestmark = pytest.mark.skipif(pcre2.library() is None, reason="needs libpcre2-8 that may make machine code")


def made(*failregex: str, **others: int) -> Program:
    found = program(Filter(FilterSettings(failregex=failregex, **others)), DATES)  # type: ignore[arg-type]
    assert isinstance(found, Program)
    return found


def rows(fused: Program, data: bytes) -> list[tuple[str, str, str]]:
    """Mark, date and line of each row."""
    return [(row[0], date, row[-1]) for row, date in dated(fused, data)]


def test_there_is_a_row_for_each_line() -> None:
    fused = made(r"^ <ADDR>")
    assert rows(fused, b"12 192.0.2.1\n12 x\n\nx\n13\n") == [
        ("0", "12", "12 192.0.2.1"), ("N", "12", "12 x"), ("S", "", ""), ("S", "", "x"), ("N", "13", "13"),
    ]  # fmt: skip
    assert rows(fused, b"") == []
    assert rows(fused, b"\n\n") == [("S", "", "")] * 2


@pytest.mark.parametrize(
    "dirt", ["\x1e", "\x1f", "\r", "\x00", "é", "\x1f0\x1f12\x1f203.0.113.1\x1f", "\x1e12 203.0.113.1", "\x7f\x80"]
)
def test_a_line_that_could_forge_rows_is_blanked_and_its_neighbours_are_not(dirt: str) -> None:
    fused = made(r"^ (?P<user>.*) <ADDR>")
    data = f"12 a 192.0.2.1\n12 {dirt} 192.0.2.2\n12 {dirt}\n12 b 192.0.2.3\n".encode()
    assert [row[2] for row in rows(fused, data)] == ["12 a 192.0.2.1", "", "", "12 b 192.0.2.3"]
    assert [row[0] == "S" for row in rows(fused, data)] == [False, True, True, False]


def test_a_large_buffer_goes_in_chunks_and_long_lines_are_blanked() -> None:
    fused = made(r"^ <ADDR>$", r"^ (?P<fid>x+)$")
    long = ["12 " + "x" * (LONG - 3), "12 " + "x" * 3 * CHUNK]
    lines = ["12 192.0.2.1", "12 " + "x" * (LONG - 4), *long, *["12 nothing", "12 ::1"] * CHUNK]
    found = rows(fused, "".join(f"{line}\n" for line in lines).encode())
    assert [line for _, _, line in found] == ["" if line in long else line for line in lines]
    assert [bool(fused.marks[mark] and mark != "N") for mark, _, _ in found] == [True] * 2 + [False] * 2 + [
        False,
        True,
    ] * CHUNK


def test_lines_that_reach_a_limit_are_told_and_the_others_are_judged() -> None:
    fused = made(r"^ (?:\w+[\s,]*)+ from <ADDR>$")
    good, hard = "12 a b from 192.0.2.1", "12 " + "a" * 40
    for lines in ([hard], [good] * 3 + [hard], [good] * 200 + [hard] + [good] * 99 + [hard] * 2):
        found = rows(fused, "".join(f"{line}\n" for line in lines).encode())
        assert [line for _, _, line in found] == lines
        assert [mark for mark, _, _ in found] == ["0" if line == good else "H" for line in lines]


def test_a_line_that_reached_the_limit_by_itself_is_not_tried_again() -> None:
    fused = made(r"^ (?:\w+[\s,]*)+ from <ADDR>$")
    judge, tried = fused._at_begin, 0
    assert judge is not None

    def counted(data: bytes) -> str | None:
        nonlocal tried
        tried += 1
        return judge(data)

    fused._at_begin = counted  # type: ignore[assignment]
    good, hard = b"12 a b from 192.0.2.1\n", b"12 " + b"a" * 40 + b"\n"
    for data, times in ((hard, 1), (good + hard, 3)):
        tried = 0
        assert [mark for mark, _, _ in rows(fused, data)][-1] == "H"
        assert tried == times


def test_filters_of_several_lines_are_refused() -> None:
    found = program(Filter(FilterSettings(failregex=(r"<ADDR>",), maxlines=2)), DATES)
    assert isinstance(found, Refusal)
    assert found.reason.startswith("maxlines")


def test_a_filter_may_have_no_failregex() -> None:
    assert rows(made(), b"12 a\nb\n") == [("N", "12", "12 a"), ("S", "", "b")]


def test_where_the_date_stands_is_looked_up_in_the_first_line_of_a_chunk() -> None:
    found = program(Filter(FilterSettings(failregex=(r"from <ADDR>",))), re.compile(r"^.*?(\d\d/\d\d)"))
    assert isinstance(found, Program)
    behind, begin = "host 12/03 from 192.0.2.7", "12/03 host from 192.0.2.7"
    for first, other in ((behind, begin), (begin, behind)):
        told = rows(found, f"{first}\n{other}\n{first}\n".encode())
        assert told == [("0", "12/03", first), ("S", "", other), ("0", "12/03", first)]
