"""A value keeps the origin of each line through every splice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from banish.config.text import Text
from banish.errors import Origin

HERE, THERE = Origin("jail.local", 5), Origin("sshd.conf", 9)


def test_a_line_that_is_only_a_reference_takes_the_origin_of_what_it_refers_to() -> None:
    mine = Text("<re>\n^more <HOST>", (HERE, Origin("jail.local", 6)))
    theirs = Text("^one\n^two", (THERE, Origin("sshd.conf", 10)))
    assert list(mine.splice(0, 4, theirs).entries()) == [
        ("^one", THERE),
        ("^two", Origin("sshd.conf", 10)),
        ("^more <HOST>", Origin("jail.local", 6)),
    ]


def test_a_line_with_text_of_its_own_keeps_its_origin() -> None:
    prefix = Text.at("host sshd: ", THERE)
    assert Text.at("^%(p)sFailed", HERE).splice(1, 6, prefix) == Text.at("^host sshd: Failed", HERE)
    assert Text.at("%(p)sFailed", HERE).splice(0, 5, prefix) == Text.at("host sshd: Failed", HERE)


def test_empty_lines_are_no_entries() -> None:
    assert list(Text.at("\n  \n a \n", HERE).entries()) == [("a", HERE)]


def test_a_cut_is_stripped_and_keeps_the_lines_it_covers() -> None:
    text = Text("x[a='\n one\n two ']", (Origin("f", 1), Origin("f", 2), Origin("f", 3)))
    assert text.cut(5, 16) == Text("one\n two", (Origin("f", 2), Origin("f", 3)))


@given(st.text("ab\n ", max_size=12), st.text("cd\n ", max_size=12), st.data())
def test_there_are_always_as_many_origins_as_lines(host: str, insert: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(host)))
    end = data.draw(st.integers(start, len(host)))
    spliced = Text.at(host, HERE).splice(start, end, Text.at(insert, THERE))
    assert spliced.text == host[:start] + insert + host[end:]
    assert len(spliced.origins) == spliced.text.count("\n") + 1
    cut = Text.at(host, HERE).cut(start, end)
    assert cut.text == host[start:end].strip()
    assert len(cut.origins) == cut.text.count("\n") + 1
