"""What every scanner promises, whoever it is: the suite over the roster."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.matching.literals import Literal
from banish.matching.scanners import SCANNERS, Scanner, load

_BYTES = b"aAbB\x00\xff .\n"
texts = st.lists(st.sampled_from(_BYTES.replace(b"\n", b"").replace(b"\0", b"")), min_size=1, max_size=4).map(bytes)
literals = st.lists(
    st.builds(lambda text, caseless: Literal(text.lower() if caseless else text, caseless), texts, st.booleans()),
    max_size=6,
    unique=True,
)
buffers = st.lists(st.sampled_from(_BYTES), max_size=60).map(bytes)
forms = st.lists(
    st.integers(1, 2).flatmap(
        lambda size: st.frozensets(st.lists(st.sampled_from(b"aA.]^-"), min_size=size, max_size=size).map(bytes), min_size=1)
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@pytest.fixture(params=list(SCANNERS), scope="module")
def scanner(request: pytest.FixtureRequest) -> type[Scanner]:
    return load(request.param)


@settings(deadline=None)
@given(literals, buffers)
def test_every_literal_is_found_in_every_line_that_holds_it(
    scanner: type[Scanner], wanted: list[Literal], data: bytes
) -> None:
    found = scanner(wanted).scan(data)
    assert [end for end, _ in found] == sorted(end for end, _ in found)
    assert {(data.count(b"\n", 0, end), number) for end, number in found} == {
        (line, number)
        for line, text in enumerate(data.split(b"\n"))
        for number, (literal, caseless) in enumerate(wanted)
        if literal in (text.lower() if caseless else text)
    }


@settings(deadline=None)
@given(literals, buffers)
def test_an_end_is_where_a_literal_ends(scanner: type[Scanner], wanted: list[Literal], data: bytes) -> None:
    for end, number in scanner(wanted).scan(data):
        text, caseless = wanted[number]
        before = data[:end]
        assert (before.lower() if caseless else before).endswith(text)


def test_thousands_of_literals_and_long_lines(scanner: type[Scanner]) -> None:
    wanted = [Literal(b"literal %d;" % number) for number in range(3000)]
    data = b"x" * 100_000 + b"literal 2999;\n\nliteral 5;" + b"\n"
    assert scanner(wanted).scan(data) == [(100_013, 2999), (100_025, 5)]


@settings(deadline=None)
@given(forms, buffers.map(lambda data: data.replace(b"b", b"]")))
def test_a_stray_is_a_line_that_begins_otherwise(
    scanner: type[Scanner], places: list[frozenset[bytes]], data: bytes
) -> None:
    strays, start = [], 0
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        rest = line
        for each in places:
            text = rest[: len(next(iter(each)))]
            if text not in each:
                strays.append(start)
                break
            rest = rest[len(text) :]
        start += len(line) + 1
    assert list(scanner.strays(places)(data)) == strays
