"""The words of banishd."""

from __future__ import annotations

from pathlib import Path

import pytest

from banish.cli.banishd import _target


@pytest.mark.parametrize(
    "word", ["STDOUT", "SYSLOG", "SYSLOG[facility=auth]", "/var/log/banish.log", "/LOG[format=json]"]
)
def test_what_is_no_path_from_here_stays_as_it_is(word: str) -> None:
    assert _target(word) == word


def test_a_path_is_meant_from_where_the_command_was_given() -> None:
    assert _target("a.log[format=json]") == str(Path.cwd() / "a.log[format=json]")
    assert _target("LOG/a") == str(Path.cwd() / "LOG" / "a")
