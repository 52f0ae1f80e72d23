"""Actions whose programs are not here, or must not touch this machine: what they are asked to do, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.enforcement.commands.rig import Rig
from tests.shipped.conftest import Fakes, Shipped, play

FOUR, SIX, NET = "192.0.2.7", "2001:db8::7", "2001:db8:1::/48"


def test_ufw(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said = fakes("ufw")
    rig = Rig(tmp_path, shipped("ufw"))
    play(rig, lambda: rig.ban(FOUR), lambda: rig.ban(SIX), lambda: rig.unban(FOUR))
    assert said.read_text().splitlines() == [
        f"ufw [prepend] [reject] [from] [{FOUR}] [to] [any] [comment] [by banish: sshd]",
        f"ufw [prepend] [reject] [from] [{SIX}] [to] [any] [comment] [by banish: sshd]",
        f"ufw [delete] [reject] [from] [{FOUR}] [to] [any]",
        f"ufw [delete] [reject] [from] [{SIX}] [to] [any]",
    ]


def test_ufw_for_one_application(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said = fakes("ufw")
    rig = Rig(tmp_path, shipped('ufw[application="Apache Full", blocktype=deny]'))
    play(rig, lambda: rig.ban(FOUR))
    assert said.read_text().splitlines() == [
        f"ufw [prepend] [deny] [from] [{FOUR}] [to] [any] [app] [Apache Full] [comment] [by banish: sshd]",
        f"ufw [delete] [deny] [from] [{FOUR}] [to] [any] [app] [Apache Full]",
    ]


def test_firewalld_with_a_set(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said, sets = fakes("firewall-cmd"), fakes("ipset")
    rig = Rig(tmp_path, shipped("firewallcmd-ipset"))
    play(rig, lambda: rig.ban(SIX), lambda: rig.again(SIX), lambda: rig.unban(SIX))
    rule = (
        "[ipv6] [filter] [INPUT_direct] [0] [-p] [tcp] [-m] [multiport] [--dports] [22,8000:8010] "
        "[-m] [set] [--match-set] [f2b-sshd6] [src] [-j] [REJECT]"
    )
    words = ("--add-rule", "--query-rule", "--remove-rule")
    assert said.read_text().splitlines() == [f"firewall-cmd [--direct] [{word}] {rule}" for word in words]
    assert sets.read_text().splitlines() == [
        "ipset [-exist] [create] [f2b-sshd6] [hash:net] [family] [inet6] [timeout] [0] [maxelem] [262144]",
        "ipset [flush] [f2b-sshd6]",
        f"ipset [-exist] [add] [f2b-sshd6] [{SIX}] [timeout] [600]",
        "ipset [-terse] [list] [f2b-sshd6]",
        f"ipset [-exist] [del] [f2b-sshd6] [{SIX}]",
        "ipset [flush] [f2b-sshd6]",
        "ipset [destroy] [f2b-sshd6]",
    ]


@pytest.mark.parametrize("action", ["firewallcmd-allports", "firewallcmd-ipset[actiontype=<allports>]"])
def test_firewalld_for_all_ports(tmp_path: Path, shipped: Shipped, fakes: Fakes, action: str) -> None:
    said, _ = fakes("firewall-cmd"), fakes("ipset")
    rig = Rig(tmp_path, shipped(action))
    play(rig, lambda: rig.ban(FOUR))
    rule = "[ipv4] [filter] [INPUT_direct] [0] [-p] [tcp] [-m] [set] [--match-set] [f2b-sshd] [src] [-j] [REJECT]"
    assert said.read_text().splitlines()[0] == f"firewall-cmd [--direct] [--add-rule] {rule}"


def test_firewalld_by_rich_rules(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said = fakes("firewall-cmd")
    rig = Rig(tmp_path, shipped("firewallcmd-rich-rules[port='ssh,8000:8010', blocktype=drop]"))
    play(rig, lambda: rig.ban(SIX), lambda: rig.unban(SIX))
    rule = f"rule family='ipv6' source address='{SIX}' port port='{{}}' protocol='tcp' drop"
    assert said.read_text().splitlines() == [
        f"firewall-cmd [{word}={rule.format(port)}]"
        for word in ("--add-rich-rule", "--remove-rich-rule")
        for port in ("ssh", "8000-8010")
    ]


def test_pf(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said = fakes("pfctl", reads=True)
    rig = Rig(tmp_path, shipped("pf"))
    play(rig, lambda: rig.ban(FOUR), lambda: rig.unban(FOUR))
    lines = said.read_text().splitlines()
    assert lines[:6] == [
        "pfctl [-a] [f2b/sshd] [-f-]",
        "table <f2b-sshd> persist counters",
        "block quick proto tcp from <f2b-sshd> to any port { ssh,8000:8010 }",
        f"pfctl [-a] [f2b/sshd] [-t] [f2b-sshd] [-T] [add] [{FOUR}]",
        f"pfctl [-k] [{FOUR}]",
        f"pfctl [-a] [f2b/sshd] [-t] [f2b-sshd] [-T] [delete] [{FOUR}]",
    ]
    assert "pfctl [-a] [f2b/sshd] [-t] [f2b-sshd] [-T] [kill]" in lines
    assert rig.levels("ERROR") == []


def test_pf_for_all_ports(tmp_path: Path, shipped: Shipped, fakes: Fakes) -> None:
    said = fakes("pfctl", reads=True)
    rig = Rig(tmp_path, shipped("pf[actiontype=<allports>]"))
    play(rig, lambda: rig.ban(FOUR))
    assert "block quick proto tcp from <f2b-sshd> to any" in said.read_text().splitlines()


def test_hosts_deny(tmp_path: Path, shipped: Shipped) -> None:
    file = tmp_path / "hosts.deny"
    theirs = "# /etc/hosts.deny\nsshd: 198.51.100.1\n"
    file.write_text(theirs)
    file.chmod(0o640)
    inode = file.stat().st_ino
    rig = Rig(tmp_path, shipped(f"hostsdeny[file={file}, daemon_list=sshd]"))

    def banned() -> None:
        assert sorted(file.read_text().removeprefix(theirs).splitlines()) == [
            f"sshd: {FOUR}",
            "sshd: [2001:db8:1::]/48",
            f"sshd: [{SIX}]",
        ]

    def less() -> None:
        assert FOUR not in file.read_text()
        assert SIX in file.read_text()

    play(rig, lambda: rig.ban(FOUR, SIX, NET), banned, lambda: rig.unban(FOUR), less)
    assert file.read_text() == theirs
    assert (file.stat().st_ino, file.stat().st_mode & 0o777) == (inode, 0o640)
    assert rig.levels("ERROR") == []


def test_a_command_of_ones_own(tmp_path: Path, shipped: Shipped) -> None:
    rig = Rig(
        tmp_path,
        shipped(
            f'command[actionban="echo ban <ip> >> {tmp_path}/out", actionunban="echo unban <ip> >> {tmp_path}/out"]'
        ),
    )
    play(rig, lambda: rig.ban(FOUR), lambda: rig.unban(FOUR))
    assert rig.said == [f"ban {FOUR}", f"unban {FOUR}"]


def test_commands_of_the_users_over_an_action_of_ours_are_run(tmp_path: Path, shipped: Shipped) -> None:
    files = {"action.d/sendmail.local": f"[Definition]\nactionban = echo <ip> to <dest> >> {tmp_path}/out\n"}
    rig = Rig(tmp_path, shipped("sendmail[dest=me]", files=files))
    play(rig, lambda: rig.ban(FOUR))
    assert rig.said == [f"{FOUR} to me"]
    files = {
        "action.d/iptables.local": f"[Definition]\nactionban = echo <ip> <blocktype> >> {tmp_path}/out\nactionstart =\nactionstop =\n"
    }
    assert shipped("iptables-allports", files=files).served == "as written"


def test_native_actions_no_runs_the_commands_of_ours_too(shipped: Shipped) -> None:
    assert shipped("iptables-multiport").served == "natively"
    assert shipped("iptables-ipset").served == "natively"
    files = {"banish.local": "[Definition]\nnative_actions = no\n"}
    assert shipped("iptables-multiport", files=files).served == "as written"
    assert shipped("nftables", files=files).served == "natively"
