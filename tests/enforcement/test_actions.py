from __future__ import annotations

import pytest

from banish.enforcement.actions import ActionSettings, scope_of, validate
from banish.enforcement.scopes import Scope
from banish.errors import ConfigError


def action(enforcer: str = "nftables", **options: str) -> ActionSettings:
    return ActionSettings("nftables", "nftables", enforcer, options)


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ({}, Scope("sshd", ("tcp",), ())),
        ({"port": "ssh"}, Scope("sshd", ("tcp",), ((22, 22),))),
        ({"port": "ssh", "protocol": "tcp,udp"}, Scope("sshd", ("tcp", "udp"), ((22, 22),))),
        ({"port": "ssh", "type": "allports"}, Scope("sshd", ("tcp",), ())),
        ({"port": "htpp", "type": "allports"}, Scope("sshd", ("tcp",), ())),
        ({"port": "ssh", "blocktype": "DROP"}, Scope("sshd", ("tcp",), ((22, 22),))),
        (
            {"port": "ssh", "blocktype": "REJECT --reject-with tcp-reset"},
            Scope("sshd", ("tcp",), ((22, 22),), "reject"),
        ),
        ({"port": "53", "protocol": "all"}, Scope("sshd", (), ((53, 53),))),
    ],
)
def test_options_say_what_is_closed(options: dict[str, str], scope: Scope) -> None:
    assert validate(action(**options)) == []
    assert scope_of("sshd", action(**options)) == scope


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"port": "htpp"}, "[sshd] port = htpp: action nftables: 'htpp' is not a port"),
        ({"port": ""}, "[sshd] port: action nftables: no port is given"),
        ({"protocol": "tpc"}, "[sshd] protocol = tpc: action nftables: 'tpc' is not a protocol"),
        ({"type": "somports"}, "[sshd] type = somports: action nftables: unknown type (one of multiport,"),
        ({"blocktype": "RETURN"}, "[sshd] blocktype = RETURN: action nftables: unknown blocktype (drop or reject)"),
        ({"enforcer": "iptables"}, "[sshd] enforcer = iptables: action nftables: unknown enforcer (one of nftables"),
    ],
)
def test_what_is_wrong_names_option_value_and_remedy(options: dict[str, str], line: str) -> None:
    (problem,) = validate(action(**options), "sshd")
    assert str(problem).startswith(line)
    assert problem.remedy


def test_every_problem_of_an_action_is_found() -> None:
    wrong = action("nftables", port="htpp", protocol="tpc", blocktype="allow", type="none")
    assert [problem.option for problem in validate(wrong)] == ["type", "protocol", "port", "blocktype"]


def test_an_action_of_shell_commands_is_not_judged() -> None:
    assert validate(action("", port="whatever")) == []


def test_no_scope_is_made_of_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="htpp"):
        scope_of("sshd", action(port="htpp"))
