"""What a jail's action comes to."""

from __future__ import annotations

import hashlib
import os

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


def test_a_file_without_enforcer_is_run_as_written(trees: Trees) -> None:
    trees.write("action.d/iptables.conf", SHELL)
    found = action(trees, "iptables")
    assert (found.enforcer, found.served) == ("", "as written")
    for family in ("", "inet4", "inet6"):
        assert found.families[family]["actionban"] == "iptables -I f2b-sshd 1 -s <ip> -j DROP"


def test_a_file_of_the_users_runs_even_where_the_package_has_one_of_its_name(trees: Trees) -> None:
    trees.write("action.d/nftables.conf", "[Definition]\nactionban = nft add element ...\n")
    trees.write("action.d/nftables.local", "[Definition]\nactionban = nft add element x\n")
    found = action(trees, "nftables")
    assert found.served == "as written"
    assert found.families["inet4"]["actionban"] == "nft add element x"


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ("", ("four a 22 <ip>", "six b 22 <ip>")),
        ("[blocktype=z]", ("four z 22 <ip>", "six z 22 <ip>")),
        ("[blocktype?family=inet6=z]", ("four a 22 <ip>", "six z 22 <ip>")),
        ('[blocktype=y, blocktype?family=inet6="z z"]', ("four y 22 <ip>", "six z z 22 <ip>")),
        ('[blocktype="<known/blocktype>"]', ("four a 22 <ip>", "six b 22 <ip>")),
    ],
)
def test_commands_are_put_together_for_each_family(trees: Trees, given: str, command: tuple[str, str]) -> None:
    trees.write(
        "action.d/x.conf",
        "[Definition]\nactionban = <how> <blocktype> <port> <ip>\nhow = four\n"
        "[Definition?family=inet6]\nhow = six\n[Init]\nport = 22\nblocktype = a\n[Init?family=inet6]\nblocktype = b\n",
    )
    families = action(trees, f"x{given}").families
    assert (families["inet4"]["actionban"], families["inet6"]["actionban"]) == command
    assert families[""]["actionban"] == command[0]


def test_tags_of_a_ban_stay_in_every_family(trees: Trees) -> None:
    trees.write(
        "action.d/x.conf",
        "[Definition]\nactionban = <ip> <bantime> <matches> <timeout> <F-USER>\n[Init]\nbantime = 5\ntimeout = 1m\n",
    )
    families = action(trees, "x", "bantime = 1h\n").families
    assert families["inet6"]["actionban"] == "<ip> <bantime> <matches> <timeout> <F-USER>"


def test_an_action_without_commands_is_none(trees: Trees) -> None:
    trees.write("action.d/x.conf", "[Init]\nport = 22\n")
    problems = trees.problems("[sshd]\nenabled = true\naction = x\n")
    assert "action x has no commands" in problems[0].text
    assert trees.load().jails == ()


@pytest.mark.parametrize("name", ["x.conf", "x.py"])
def test_a_file_that_everybody_may_write_to_is_not_run_and_the_rest_of_the_jail_is(trees: Trees, name: str) -> None:
    trees.write(f"action.d/{name}", SHELL).chmod(0o646)
    (problem,) = trees.problems(f"[sshd]\nenabled = true\naction = {name.removesuffix('.conf')}\n  nftables\n")
    assert (problem.severity, problem.section) == ("warning", "sshd")
    assert "everybody may write to it" in problem.text
    assert problem.remedy == f"chmod o-w {trees.user}/action.d/{name}"
    assert [found.name for found in trees.load().jails[0].actions] == ["nftables"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_told(trees: Trees) -> None:
    os.chown(trees.write("action.d/x.conf", SHELL), 4711, 4711)
    (problem,) = trees.problems("[sshd]\nenabled = true\naction = x\n")
    assert (problem.severity, problem.text[:22]) == ("warning", "belongs to user 4711, ")
    assert [found.name for found in trees.load().jails[0].actions] == ["x"]


def test_a_python_file_is_called_by_its_whole_name(trees: Trees) -> None:
    path = trees.write("action.d/tell.py", "raise SystemExit  # it is not run to be read\n")
    found = action(trees, 'tell.py[to="a, b", name=sshd-mail]')
    assert (found.name, found.actname, found.served) == ("tell.py", "tell-mail", "as written")
    assert (found.python, found.options) == (str(path), {"to": "a, b"})
    path.write_text("Action = None\n")
    assert action(trees, 'tell.py[to="a, b", name=sshd-mail]') != found, "a changed file is another action"


def test_a_python_file_that_is_not_there(trees: Trees) -> None:
    problems = trees.problems("[sshd]\nenabled = true\naction = tell.py\n")
    assert "action.d/tell.py is nowhere in" in problems[0].text


def stock(trees: Trees, *names: str) -> None:
    """The user's files are those that a distribution ships."""
    files = [trees.user / "action.d" / f"{name}.conf" for name in names]
    rows = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    trees.package("stock-actions.sha256", "# those of a distribution\n" + "".join(rows))


@pytest.fixture
def brought(trees: Trees) -> Trees:
    """A tree of fail2ban's: unmodified, iptables-multiport including iptables."""
    trees.package("action.d/iptables-multiport.conf", "[INCLUDES]\nbefore = nftables.conf\n[Init]\ntype = multiport\n")
    trees.write("action.d/iptables.conf", SHELL + "[Init]\nchain = INPUT\n")
    trees.write("action.d/iptables-multiport.conf", "[INCLUDES]\nbefore = iptables.conf\n")
    stock(trees, "iptables", "iptables-multiport")
    return trees


def test_an_unmodified_action_of_fail2bans_is_served_natively(brought: Trees) -> None:
    found = action(brought, "iptables-multiport[port=22, blocktype=DROP, chain=DOCKER-USER, lockingopt=-w5]")
    assert (found.enforcer, found.served, found.stock) == ("nftables", "natively", True)
    assert (found.options["port"], found.options["blocktype"], found.families) == ("22", "DROP", {})
    assert action(brought, 'iptables-multiport[chain="<known/chain>"]').stock


@pytest.mark.parametrize(
    "given",
    ["returntype=DROP", "blocktype=RETURN", "chain=other", "port=nonsense", "blocktype?family=inet6=DROP", "x=1"],
)
def test_what_no_enforcer_can_honour_runs_as_written(brought: Trees, given: str) -> None:
    found = action(brought, f"iptables-multiport[{given}]")
    assert (found.enforcer, found.served) == ("", "as written")


@pytest.mark.parametrize("name", ["iptables-multiport", "iptables"])
def test_one_comment_in_any_of_its_files_makes_it_ones_own(brought: Trees, name: str) -> None:
    with (brought.user / "action.d" / f"{name}.conf").open("a") as file:
        file.write("# mine\n")
    assert action(brought, "iptables-multiport").served == "as written"


@pytest.mark.parametrize("name", ["iptables-multiport.local", "iptables.local", "iptables-multiport.d/10.conf"])
def test_a_file_over_it_makes_it_ones_own(brought: Trees, name: str) -> None:
    brought.write(f"action.d/{name}", "[Init]\nx = 1\n")
    assert action(brought, "iptables-multiport").served == "as written"


def test_native_actions_can_be_switched_off(brought: Trees) -> None:
    brought.write("banish.local", "[Definition]\nnative_actions = no\n")
    assert action(brought, "iptables-multiport").served == "as written"
    brought.write("banish.local", "[Definition]\nnative_actions = yes\n")
    assert action(brought, "iptables-multiport").served == "natively"


def test_an_action_of_ones_own_may_name_an_enforcer(trees: Trees) -> None:
    trees.write("action.d/mine.conf", NFTABLES.replace("chain = input", "chain = forward"))
    found = action(trees, "mine[port=25]")
    assert (found.name, found.enforcer, found.options["chain"], found.options["port"]) == (
        "mine",
        "nftables",
        "forward",
        "25",
    )
