"""The firewalls that are spoken to by commands, the real ones, in a network namespace of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.enforcement.commands.rig import Rig
from tests.shipped.conftest import Shipped, out, play

pytestmark = pytest.mark.netns

FOUR, SIX, NET = "192.0.2.7", "2001:db8::7", "198.51.100.0/24"


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@needs("iptables", "ip6tables", "iptables-legacy")
@pytest.mark.parametrize(
    ("action", "program", "jumps"),
    [
        ("iptables[native=no]", "iptables", 1),
        ("iptables-multiport[native=no, blocktype=REJECT]", "iptables", 1),
        ("iptables-allports[native=no, protocol=all]", "iptables", 1),
        ("iptables-new[native=no, protocol=all]", "iptables", 2),
        ('iptables[native=no, chain="INPUT,FORWARD", protocol="tcp,udp"]', "iptables", 4),
        ("iptables-legacy", "iptables-legacy", 1),
    ],
)
def test_iptables_by_commands(tmp_path: Path, shipped: Shipped, action: str, program: str, jumps: int) -> None:
    settings = shipped(action)
    assert settings.served == "as written"
    rig = Rig(tmp_path, settings)
    six = program.replace("ip", "ip6")
    empty = (rules(program), rules(six))

    def all_banned() -> None:
        assert {FOUR, NET} == {rule.split()[3].removesuffix("/32") for rule in dropped(program)}
        assert {SIX} == {rule.split()[3].removesuffix("/128") for rule in dropped(six)}
        assert len([rule for rule in rules(program) if rule.endswith("-j f2b-sshd")]) == jumps

    def four_is_free() -> None:
        assert FOUR not in "".join(rules(program))
        assert NET in "".join(rules(program))

    play(
        rig,
        lambda: rig.ban(FOUR, SIX, NET),
        all_banned,
        lambda: rig.again(FOUR),
        all_banned,
        lambda: rig.unban(FOUR),
        four_is_free,
    )
    assert (rules(program), rules(six)) == empty
    assert rig.levels("ERROR") == []


@needs("iptables")
def test_what_somebody_flushed_is_put_back(tmp_path: Path, shipped: Shipped) -> None:
    rig = Rig(tmp_path, shipped("iptables[native=no]"))

    def flushed() -> None:
        out("iptables", "-F")
        out("iptables", "-X")

    play(
        rig,
        lambda: rig.ban(FOUR),
        flushed,
        lambda: rig.again(FOUR),
        lambda: dropped("iptables") or pytest.fail("nothing is banned"),
    )
    assert any("Invariant check failed" in text for text in rig.levels("ERROR"))
    assert rules("iptables") == ["-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"]


@needs("iptables")
def test_more_ports_than_one_rule_takes(tmp_path: Path, shipped: Shipped) -> None:
    ports = ",".join(str(8000 + 2 * number) for number in range(20))
    rig = Rig(tmp_path, shipped(f'iptables[native=no, port="{ports}"]'))

    def whole() -> None:
        found = [rule.split()[7] for rule in rules("iptables") if rule.endswith("-j f2b-sshd")]
        assert sorted(",".join(found).split(",")) == ports.split(",")

    play(rig, lambda: rig.ban(FOUR), whole)
    assert rig.levels("ERROR") == []


@needs("iptables")
def test_a_start_after_a_crash_finds_its_own_things_and_goes_on(tmp_path: Path, shipped: Shipped) -> None:
    # What a daemon that was killed leaves behind.
    out("iptables", "-N", "f2b-sshd")
    out("iptables", "-A", "f2b-sshd", "-s", "192.0.2.99", "-j", "DROP")
    out("iptables", "-I", "INPUT", "-p", "tcp", "-m", "multiport", "--dports", "22,8000:8010", "-j", "f2b-sshd")
    again = Rig(tmp_path, shipped("iptables[native=no]"))

    def as_ever() -> None:
        assert [rule.split()[3] for rule in dropped("iptables")] == [f"{FOUR}/32"]
        assert len([rule for rule in rules("iptables") if rule.endswith("-j f2b-sshd")]) == 1

    play(again, lambda: again.ban(FOUR), as_ever)
    assert again.levels("ERROR") == []
    assert "f2b-sshd" not in "".join(rules("iptables"))


@needs("iptables", "ipset")
@pytest.mark.parametrize("action", ["iptables-ipset[native=no]", "iptables-ipset-proto6-allports[native=no]"])
def test_ipset_by_commands(tmp_path: Path, shipped: Shipped, action: str) -> None:
    rig = Rig(tmp_path, shipped(action))

    def banned() -> None:
        members = ipset("f2b-sshd")
        assert 590 < members.pop(FOUR) <= 600
        # 24.8 days are what the kernel can count; longer bans end by command.
        assert members == {NET: 0, "192.0.2.8": 0, "192.0.2.9": 0}
        assert ipset("f2b-sshd6").keys() == {SIX}
        assert any("--match-set f2b-sshd src -j DROP" in rule for rule in rules("iptables"))
        assert any("--match-set f2b-sshd6 src -j DROP" in rule for rule in rules("ip6tables"))

    def later() -> None:
        assert 5990 < ipset("f2b-sshd")[FOUR] <= 6000

    at = 1_800_000_000.0
    play(
        rig,
        lambda: rig.ban(FOUR, SIX),
        lambda: rig.ban(NET, expires_at=at + 2_147_484),
        lambda: rig.ban("192.0.2.8", expires_at=float("inf")),
        lambda: rig.ban("192.0.2.9", expires_at=at + 2_147_484),
        banned,
        lambda: rig.prolong(FOUR, at + 6000),
        later,
        lambda: rig.unban("192.0.2.8"),
        lambda: ipset("f2b-sshd").keys() == {FOUR, NET, "192.0.2.9"} or pytest.fail(str(ipset("f2b-sshd"))),
    )
    assert out("ipset", "-name", "list") == ""
    assert "f2b" not in "".join(rules("iptables") + rules("ip6tables"))
    assert rig.levels("ERROR") == []


@needs("ip")
def test_routes_that_lead_nowhere(tmp_path: Path, shipped: Shipped) -> None:
    rig = Rig(tmp_path, shipped("route"))

    def banned() -> None:
        assert out("ip", "route").split() == ["unreachable", FOUR, "unreachable", NET]
        assert f"unreachable {SIX} " in out("ip", "-6", "route")

    play(rig, lambda: rig.ban(FOUR, SIX, NET), banned, lambda: rig.ban(FOUR), banned, lambda: rig.unban(FOUR))
    assert out("ip", "route") == ""
    assert "unreachable" not in out("ip", "-6", "route")
    assert rig.levels("ERROR") == []


def rules(program: str) -> list[str]:
    return out(program, "-S").splitlines()


def dropped(program: str) -> list[str]:
    return [rule for rule in rules(program) if rule.startswith("-A f2b-sshd -s ")]


def ipset(name: str) -> dict[str, int]:
    """The members of a set, and the seconds that each has left."""
    lines = out("ipset", "list", name).partition("Members:\n")[2].splitlines()
    return {line.split()[0]: int(line.split()[2]) for line in lines}
