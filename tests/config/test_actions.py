"""What a jail's action comes to."""

from __future__ import annotations

import pytest

from banish.enforcement.actions import ActionSettings
from tests.config.conftest import NFTABLES, Trees

SHELL = "[Definition]\nactionban = iptables -I f2b-<name> 1 -s <ip> -j DROP\n"


def action(trees: Trees, text: str, more: str = "") -> ActionSettings:
    (found,) = trees.jail(f"[sshd]\nenabled = true\naction = {text}\n{more}").actions
    return found


def test_what_the_jail_gives_overrides_and_known_keeps(trees: Trees) -> None:
    options = action(
        trees, 'nftables[port="22,2222", chain="<known/chain>", blocktype="<known/blocktype> with tcp reset"]'
    ).options
    assert options["port"] == "22,2222"
    assert options["chain"] == "input"
    assert options["blocktype"] == "reject with tcp reset"


def test_tags_are_replaced_as_far_as_they_are_known_at_load_time(trees: Trees) -> None:
    trees.write(
        "action.d/x.conf",
        "[Definition]\nenforcer = log\ntext = <name> by <actname>: <ip> <bantime> on <port> after <maxretry> of <unknown>\n"
        "[Init]\nport = 22\nbantime = 5\n",
    )
    found = action(trees, "x", "maxretry = 7\nbantime = 1h\n")
    assert found.options["text"] == "sshd by x: <ip> <bantime> on 22 after 7 of <unknown>"
    assert found.enforcer == "log"
    assert "enforcer" not in found.options


CONDITIONAL = """
[Definition]
enforcer = log
text = <blocktype> <port>
[Init]
port = 22
blocktype = a
[Init?family=inet6]
blocktype = b
"""


@pytest.mark.parametrize(
    ("given", "four", "six"),
    [
        ("", "a", "b"),
        ("[blocktype=z]", "z", None),
        ("[blocktype?family=inet6=z]", "a", "z"),
        ("[blocktype=y, blocktype?family=inet6=z]", "y", "z"),
        ('[blocktype="<known/blocktype>"]', "a", "b"),
    ],
)
def test_an_option_for_one_family_stays_apart(trees: Trees, given: str, four: str, six: str | None) -> None:
    trees.write("action.d/x.conf", CONDITIONAL)
    options = action(trees, f"x{given}").options
    assert options["blocktype"] == four
    assert options.get("blocktype?family=inet6") == six
    assert options["text"] == ("<blocktype> 22" if six else f"{four} 22")


@pytest.mark.parametrize(
    ("given", "actname"),
    [
        ("", "nftables"),
        ("[name=sshd]", "nftables"),
        ("[name=sshd-tcp]", "nftables-tcp"),
        ("[name=other]", "nftables-other"),
        ("[name=sshdx]", "nftables-sshdx"),
        ("[actname=mine]", "mine"),
    ],
)
def test_the_actions_name_tells_instances_apart(trees: Trees, given: str, actname: str) -> None:
    assert action(trees, f"nftables{given}").actname == actname


def test_shell_commands_are_left_out_and_the_jail_keeps_what_can_be_run(trees: Trees) -> None:
    trees.write("action.d/iptables.conf", SHELL)
    (problem,) = trees.problems("[sshd]\nenabled = true\naction = iptables\n  nftables\n")
    assert problem.severity == "warning"
    assert problem.section == "sshd"
    assert problem.remedy == "banaction = nftables"
    assert "action iptables is made of shell commands" in problem.text
    assert [found.name for found in trees.load().jails[0].actions] == ["nftables"]


def test_a_jail_with_shell_commands_alone_is_left_out(trees: Trees) -> None:
    trees.write("action.d/iptables.conf", SHELL)
    problems = trees.problems("[DEFAULT]\nbanaction = iptables\n[sshd]\nenabled = true\n")
    assert [(problem.severity, problem.remedy) for problem in problems] == [
        ("warning", "banaction = nftables"),
        ("error", "banaction = nftables"),
    ]
    assert trees.load().jails == ()


def test_stock_shell_commands_of_a_name_that_is_built_in_give_way_to_it(trees: Trees) -> None:
    stock = trees.write(
        "action.d/nftables.conf", "[Definition]\nactionban = nft add element ...\n[Init]\nchain = theirs\n"
    )
    trees.write("action.d/nftables.local", "[Init]\nblocktype = drop\n")
    two = "[sshd]\nenabled = true\n[second]\nenabled = true\nfilter = sshd\nlogpath = /l\n"
    (problem,) = trees.problems(two)
    assert problem.severity == "warning"
    assert str(problem).startswith(f"{stock}: the commands of action nftables are not run; the built-in action")
    first, second = trees.load().jails
    assert first.actions[0].enforcer == second.actions[0].enforcer == "nftables"
    assert first.actions[0].options["chain"] == "input"
    assert first.actions[0].options["blocktype"] == "drop"


def test_a_built_in_action_includes_built_in_files(trees: Trees) -> None:
    trees.package("action.d/iptables-allports.conf", "[INCLUDES]\nbefore = nftables.conf\n[Init]\ntype = allports\n")
    trees.write("action.d/iptables-allports.conf", SHELL)
    trees.write("action.d/nftables.conf", SHELL + "chain = theirs\n")
    trees.write("action.d/nftables.local", "[Init]\nblocktype = drop\n")
    (problem,) = trees.problems("[sshd]\nenabled = true\naction = iptables-allports\n")
    assert "the built-in action of the same name is used instead" in problem.text
    (found,) = trees.load().jails[0].actions
    assert (found.enforcer, found.options["type"], found.options["chain"]) == ("nftables", "allports", "input")
    assert found.options["blocktype"] == "drop"


def test_an_action_of_ones_own_may_name_an_enforcer(trees: Trees) -> None:
    trees.write("action.d/mine.conf", NFTABLES.replace("chain = input", "chain = forward"))
    found = action(trees, "mine[port=25]")
    assert (found.name, found.enforcer, found.options["chain"], found.options["port"]) == (
        "mine",
        "nftables",
        "forward",
        "25",
    )
