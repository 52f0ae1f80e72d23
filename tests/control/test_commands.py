import inspect
import math
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.control import commands
from banish.control.commands import COMMANDS, Command, understand
from banish.control.handler import Control
from banish.daemon.service import Service
from tests.control.fake import FakeControl

ROWS = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@ROWS
def test_every_row_has_help_a_handler_and_a_rendering(command: Command) -> None:
    assert command.help
    assert all(argument.help and (argument.option or argument.metavar) for argument in command.arguments)
    method = getattr(Control, command.method)
    assert method.__doc__
    assert list(inspect.signature(method).parameters)[1:] == [argument.name for argument in command.arguments]
    text = getattr(import_module(command.text), command.method)
    assert list(inspect.signature(text).parameters)[1].lstrip("_") == "arguments"


def test_every_method_of_the_protocol_has_its_row() -> None:
    methods = {name for part in Control.__mro__ for name in vars(part) if not name.startswith("_")}
    assert methods == {command.method for command in COMMANDS}
    assert methods <= {name for part in Service.__mro__ for name in vars(part)}


def test_the_fake_keeps_the_protocol() -> None:
    control: Control = FakeControl()
    assert control.ping() == {"reply": "pong", "version": "0.1.0"}


@ROWS
def test_arguments_that_are_not_given_are_none_or_empty(command: Command) -> None:
    example = {"text": "sshd", "seconds": 1.0}
    needed = {
        argument.name: example[argument.kind]
        for argument in command.arguments
        if argument.required and argument.kind in example
    }
    row, arguments = understand({"command": command.name, "arguments": needed})
    assert row is command
    assert set(arguments) == {argument.name for argument in command.arguments}
    assert all(not value for name, value in arguments.items() if name not in needed)


def test_a_request_in_full() -> None:
    given_ = {"jail": "sshd", "addresses": ["192.0.2.7"], "seconds": 60, "reason": "probe", "force": True}
    assert understand({"command": "ban", "arguments": given_})[1] == given_


@pytest.mark.parametrize("seconds", [commands.FOR_EVER, 1e300, math.inf, 10**4000], ids=lambda _: "")
def test_a_ban_without_end_is_infinity_for_the_daemon(seconds: float) -> None:
    _, arguments = understand({"command": "ban", "arguments": {"jail": "sshd", "seconds": seconds}})
    assert arguments["seconds"] == math.inf


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "unknown command None"),
        ({"command": ["status"]}, "unknown command"),
        ({"command": "__init__"}, "unknown command '__init__'"),
        ({"command": "status", "arguments": []}, "status: arguments must be an object"),
        ({"command": "status", "arguments": {"jial": "sshd"}}, "status: unknown argument 'jial'"),
        ({"command": "status", "arguments": {"jail": 7}}, "status: jail is not a text: 7"),
        ({"command": "ban", "arguments": {}}, "ban: JAIL is missing"),
        ({"command": "ban", "arguments": {"jail": "sshd", "addresses": "192.0.2.7"}}, "addresses is not a texts"),
        ({"command": "ban", "arguments": {"jail": "sshd", "addresses": [7]}}, "addresses is not a texts"),
        ({"command": "ban", "arguments": {"jail": "sshd", "seconds": math.nan}}, "seconds is not a seconds: nan"),
        ({"command": "ban", "arguments": {"jail": "sshd", "seconds": True}}, "seconds is not a seconds: True"),
        ({"command": "unban", "arguments": {"everything": "yes"}}, "everything is not a flag: 'yes'"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_why(document: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        understand(document)


WORDS = st.sampled_from(["", "sshd", "192.0.2.7", "-", "\x1b", "\udce9"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.lists(WORDS | st.integers(), max_size=3)
NAMES = st.sampled_from(["jail", "network", "addresses", "seconds", "reason", "everything"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COMMANDS), st.dictionaries(NAMES, VALUES, max_size=3))
def test_whatever_is_asked_is_understood_or_refused(command: Command, given_: dict[str, Any]) -> None:
    names = {argument.name for argument in command.arguments}
    try:
        row, arguments = understand({"command": command.name, "arguments": given_})
    except ValueError:
        return
    assert row is command
    assert set(arguments) == names >= set(given_)


@pytest.mark.parametrize(
    ("name", "arguments", "result", "code"),
    [
        ("ban", {}, [], 0),
        ("ban", {}, [{"outcome": "banned"}, {"outcome": "already banned"}], 0),
        ("ban", {}, [{"outcome": "banned"}, {"outcome": "refused"}], 1),
        ("ban", {}, [{"outcome": "invalid"}], 1),
        ("unban", {}, [{"outcome": "unbanned"}], 0),
        ("unban", {}, [{"outcome": "unbanned"}, {"outcome": "not banned"}], 5),
        ("unban", {}, [{"outcome": "invalid"}, {"outcome": "not banned"}], 1),
        ("unban", {"everything": True}, [{"jail": "sshd", "unbanned": 2}], 0),
        ("unban", {"everything": True}, [], 0),
        ("banned", {"network": None}, [], 0),
        ("banned", {"network": "192.0.2.7"}, [], 5),
        ("banned", {"network": "192.0.2.7"}, [{}], 0),
        ("reload", {}, {"problems": []}, 0),
        ("reload", {}, {"problems": [{"severity": "warning"}]}, 0),
        ("reload", {}, {"problems": [{"severity": "warning"}, {"severity": "error"}]}, 6),
    ],
)
def test_exit_codes(name: str, arguments: dict[str, Any], result: Any, code: int) -> None:
    assert commands.BY_NAME[name].exit(arguments, result) == code
