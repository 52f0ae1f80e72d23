"""The short way to read a command line reads what argparse reads, or leaves it to argparse."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.cli import parsers, words
from banish.control.commands import BY_NAME, COMMANDS, Command

PLAIN = [command for command in COMMANDS if not any(argument.kind == "words" for argument in command.arguments)]
WORD = st.sampled_from(
    (
        *("sshd", "192.0.2.7", "-", "", "short", "2h", "--all", "--jail", "--for", "--reason", "--force", "--since"),
        *("--unban", "--restart", "--if-exists", "-1", "--", "-x", "--jail=sshd", "--help", "a b", "é"),
    )
)


def by_argparse(command: Command, line: list[str]) -> dict[str, Any] | None:
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            options = parsers.parser_of(command).parse_args(line)
    except SystemExit:
        return None
    return {argument.name: getattr(options, argument.name) for argument in command.arguments}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLAIN), st.lists(WORD, max_size=5))
def test_the_short_way_equals_the_long_one(command: Command, line: list[str]) -> None:
    short = words.arguments(command, line)
    if short is not None:
        assert short == by_argparse(command, line)


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "status sshd",
        "banned",
        "ban sshd 192.0.2.7",
        "unban --all",
        "ban sshd - --reason x --force",
        "ping",
        "reload",
    ],
)
def test_what_is_asked_most_goes_the_short_way(line: str) -> None:
    name, *rest = line.split()
    assert words.arguments(BY_NAME[name], rest) is not None


def test_words_on_both_sides_of_an_option_go_the_long_way() -> None:
    assert words.arguments(BY_NAME["status"], ["sshd", "--all", "basic"]) is None
    assert words.arguments(BY_NAME["status"], ["--all", "sshd", "basic"]) is not None


@pytest.mark.parametrize("name", ["get", "set", "echo"])
def test_any_word_may_follow_some_commands(name: str) -> None:
    line = ["sshd", "addfailregex", "--report-absent", "-1", "", "-", "x" * 5000]
    assert words.arguments(BY_NAME[name], line) == {"words": line}
    assert words.arguments(BY_NAME[name], ["--help"]) is None


def test_common_options_stand_anywhere_but_first_words_end_those_before_the_command() -> None:
    asked = words.common(["--json", "--socket", "/x", "set", "sshd", "--json"])
    assert asked is not None
    assert (asked.json, asked.socket, asked.words) == (True, "/x", ["set", "sshd", "--json"])
    behind = words.common(asked.words[1:], everywhere=True)
    assert behind is not None
    assert (behind.json, behind.words) == (True, ["sshd"])
    assert words.common(["--socket"]) is None
