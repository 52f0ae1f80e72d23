"""``<tag>``, inner first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.config.substitution import Substitution
from banish.config.text import Text
from banish.errors import ConfigError, Origin

HERE, THERE = Origin("x.conf", 1), Origin("y.conf", 2)


def substitute(text: str, **values: str) -> str:
    return (
        Substitution(lambda tag: Text.at(values[tag], THERE) if tag in values else None).apply(Text.at(text, HERE)).text
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no tag", "no tag"),
        ("<mode>", "normal"),
        ("<MODE>", "normal"),
        ("<re-<mode>>$", "^from <HOST>$"),
        ("<re-<<which>>>", "^from <HOST>"),
        ("<all>", "^from <HOST>|<HOST>"),
        ("<HOST> <F-USER>\\S+</F-USER> <ADDR>", "<HOST> <F-USER>\\S+</F-USER> <ADDR>"),
        ("cat < file > /dev/null 2>&1 <<EOF", "cat < file > /dev/null 2>&1 <<EOF"),
        ("(?<!x)<mode>(?P<name>y)", "(?<!x)normal(?P<name>y)"),
        ("<><mode>< mode>", "<>normal< mode>"),
        ("<<mode>", "<normal"),
        ("<empty>", ""),
    ],
)
def test_tags_that_are_known_are_replaced(text: str, expected: str) -> None:
    values = {"mode": "normal", "re-normal": "^from <HOST>", "which": "mode", "all": "<re-normal>|<HOST>", "empty": ""}
    assert substitute(text, **values) == expected


def test_a_tag_may_appear_any_number_of_times() -> None:
    assert substitute("<port> " * 100, port="ssh") == "ssh " * 100


@pytest.mark.parametrize("values", [{"a": "x<a>"}, {"a": "<b>", "b": "<a>"}, {"a": "<a<e>>", "e": ""}])
def test_a_tag_that_stands_for_itself_is_an_error(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="stands for itself"):
        substitute("<a>", **values)


def test_a_tag_that_doubles_with_every_step_ends_in_an_error() -> None:
    with pytest.raises(ConfigError, match="grows beyond"):
        substitute("<x0>", **{f"x{n}": f"<x{n + 1}><x{n + 1}>" for n in range(40)}, x40="aaaaaaaa")


def test_a_deep_chain_of_tags_ends_in_an_error_not_in_a_full_stack() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        substitute("<x0>", **{f"x{n}": f"<x{n + 1}>" for n in range(5000)})


def test_lines_of_a_tag_keep_their_origin() -> None:
    tags = Substitution({"re": Text("^one\n^two", (THERE, Origin("y.conf", 3)))}.get)
    assert tags.apply(Text("<re>\n^three", (HERE, Origin("x.conf", 2)))).origins == (
        THERE,
        Origin("y.conf", 3),
        Origin("x.conf", 2),
    )


TAGGED = st.text(st.sampled_from("<>abc q"), max_size=10)


@settings(max_examples=300)
@given(TAGGED, st.dictionaries(st.sampled_from("abcq"), TAGGED, max_size=4))
def test_any_text_is_substituted_or_told(text: str, values: dict[str, str]) -> None:
    try:
        once = substitute(text, **values)
    except ConfigError:
        return
    assert substitute(once, **values) == once
