"""``name[option=value]``, as jails call their filter and actions."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.config.grammar import parse_actions, parse_filter
from banish.config.text import Text
from banish.errors import ConfigError, Origin

HERE = Origin("jail.local", 3)


def actions(text: str) -> list[tuple[str, dict[str, str]]]:
    calls = parse_actions(Text.at(text, HERE))
    return [(call.name, {key: value.text for key, value in call.options.items()}) for call in calls]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("", []),
        (" \n ", []),
        ("a", [("a", {})]),
        ("a b\n\tc", [("a", {}), ("b", {}), ("c", {})]),
        ("a[]", [("a", {})]),
        ("a[x=1]", [("a", {"x": "1"})]),
        ("a[x=1, y=2]", [("a", {"x": "1", "y": "2"})]),
        ("a[x=1][y=2]", [("a", {"x": "1", "y": "2"})]),
        ("a[x=1,\n  y=2,]", [("a", {"x": "1", "y": "2"})]),
        ("a [x=1] b", [("a", {"x": "1"}), ("b", {})]),
        ("a[x=1] b[x=2]", [("a", {"x": "1"}), ("b", {"x": "2"})]),
        ('a[ x = " v " ]', [("a", {"x": "v"})]),
        ("a[x=1 2 3, y=4]", [("a", {"x": "1 2 3", "y": "4"})]),
        ("a[x=]", [("a", {"x": ""})]),
        ("a[x=,y=1]", [("a", {"x": "", "y": "1"})]),
        ('a[x="p,]\'q"]', [("a", {"x": "p,]'q"})]),
        ("a[x='say \"hi\"', y=1]", [("a", {"x": 'say "hi"', "y": "1"})]),
        ('a[x="1\\", y=2]', [("a", {"x": "1\\", "y": "2"})]),
        ('a[x=p"q"r]', [("a", {"x": 'p"q"r'})]),
        ('a[x="unclosed]', [("a", {"x": '"unclosed'})]),
        ("a[X=1]", [("a", {"x": "1"})]),
        ("a[x=1, x=2]", [("a", {"x": "2"})]),
        ("a[x=b=c]", [("a", {"x": "b=c"})]),
        ("a[x.y-z_1=1]", [("a", {"x.y-z_1": "1"})]),
        (
            'a[blocktype=DROP, blocktype?family=inet6="REJECT it"]',
            [("a", {"blocktype": "DROP", "blocktype?family=inet6": "REJECT it"})],
        ),
        ("a[x='one\ntwo']", [("a", {"x": "one\ntwo"})]),
        (
            'nftables[port="ssh,2222", chain="<known/chain>"]',
            [("nftables", {"port": "ssh,2222", "chain": "<known/chain>"})],
        ),
    ],
)
def test_calls_are_read(text: str, calls: list[tuple[str, dict[str, str]]]) -> None:
    assert actions(text) == calls


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a[x]", "unexpected 'x]' at character 3 (key=value is expected)"),
        ("a[x=1", "ends too early: ] is missing (, or ] is expected after x)"),
        ("a[", "ends too early: ] is missing (key=value is expected)"),
        ('a[x="1" y=2]', "unexpected 'y=2]' at character 8 (, or ] is expected after x)"),
        ('a[x="1"y=2]', "unexpected 'y=2]' at character 8 (, or ] is expected after x)"),
        ("a[x=1,,y=2]", "unexpected ',y=2]' at character 7 (key=value is expected)"),
        ("a[,x=1]", "unexpected ',x=1]' at character 3 (key=value is expected)"),
        ("a[x=[z]]", "unexpected ']' at character 8 (write name[option=\"value\", ...])"),
        ('a[x="1"]b', "unexpected 'b' at character 9 (write name[option=\"value\", ...])"),
        ("[x=1]", "unexpected '[x=1]' at character 1 (write name[option=\"value\", ...])"),
        ("a ]", "unexpected ']' at character 2 (write name[option=\"value\", ...])"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_actions(Text.at(text, HERE))
    assert str(error.value) == f"jail.local:3: {told}"


def test_a_jail_has_one_filter_or_none() -> None:
    call = parse_filter(Text.at("sshd[mode=aggressive]", HERE))
    assert call is not None
    assert call.name == "sshd"
    assert parse_filter(Text.at("  ", HERE)) is None
    with pytest.raises(ConfigError, match="names 2 filters"):
        parse_filter(Text.at("sshd postfix", HERE))


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab [],=\"'?\n.<>\x00"), max_size=25))
def test_any_text_is_read_or_told(text: str) -> None:
    with suppress(ConfigError):
        parse_actions(Text.at(text, HERE))


KEYS = st.from_regex(r"[a-z][a-z0-9_.-]{0,5}(\?family=inet[46])?", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters='"'), max_size=8).map(str.strip)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True), st.dictionaries(KEYS, VALUES)), max_size=3
    )
)
def test_what_is_written_is_read_again(calls: list[tuple[str, dict[str, str]]]) -> None:
    text = "\n".join(
        f"{name}[" + ", ".join(f'{key}="{value}"' for key, value in options.items()) + "]" for name, options in calls
    )
    assert actions(text) == calls
