"""The actions that ship, in a running daemon: firewalls that are spoken to by commands really block, mails are really written."""

from __future__ import annotations

import email
import email.policy
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon
from tests.end_to_end.conftest import BYSTANDER, Town
from tests.end_to_end.test_actions import JAIL, door, knock, outcome, served

SYSTEM = "/usr/sbin:/sbin:/usr/bin:/bin"

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(shutil.which("ipset", path=SYSTEM) is None, reason="needs iptables and ipset"),
]

FIREWALLS = [
    "iptables[native=no]",
    "iptables-allports[native=no, protocol=all]",
    "iptables-new[native=no]",
    "iptables-ipset[native=no]",
    "iptables-legacy",
    "route",
]


@pytest.mark.parametrize("banaction", FIREWALLS)
def test_a_firewall_by_commands_really_blocks(town: Town, attacker: str, banaction: str) -> None:
    name = "shipped-" + "".join(character if character.isalnum() else "-" for character in banaction)
    blocks_and_lets_go(town, attacker, banaction, name)
    left = "iptables-save; ip6tables-save; iptables-legacy-save; nft list ruleset; ipset list; ip route"
    rules = town.server.run(["sh", "-c", left]).stdout
    assert "f2b" not in rules
    assert attacker not in rules


@pytest.fixture
def ufw(town: Town) -> Iterator[None]:
    """A ufw that is switched on, on the server alone: its files are copies that only the laboratory sees."""
    if shutil.which("ufw", path=SYSTEM) is None:
        pytest.skip("needs ufw")
    run = town.server.run
    own = "cp -a /etc/ufw /run/ufw-etc && cp -a /etc/default/ufw /run/ufw-default"
    run(["sh", "-ec", f"{own}; mount --bind /run/ufw-etc /etc/ufw; mount --bind /run/ufw-default /etc/default/ufw"])
    run(["ufw", "--force", "enable"])
    run(["ufw", "allow", "22/tcp"])
    yield
    run(["ufw", "--force", "reset"])
    for family in ("iptables", "ip6tables"):
        run(
            [
                "sh",
                "-ec",
                f"for chain in INPUT FORWARD OUTPUT; do {family} -P $chain ACCEPT; done; {family} -F; {family} -X",
            ]
        )
    run(["umount", "/etc/ufw", "/etc/default/ufw"])


@pytest.mark.usefixtures("ufw")
def test_ufw(town: Town, attacker: str) -> None:
    blocks_and_lets_go(town, attacker, "ufw", "shipped-ufw")
    status = town.server.run(["ufw", "status"]).stdout
    assert "22/tcp" in status
    assert attacker not in status
    assert "2001:db8::66" not in status


BUS = """
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""


@pytest.fixture
def firewalld(town: Town) -> Iterator[None]:
    """A firewalld on the server alone, and the bus that it is spoken to over."""
    if shutil.which("firewalld", path=SYSTEM) is None or shutil.which("dbus-daemon", path=SYSTEM) is None:
        pytest.skip("needs firewalld and dbus")
    run = town.server.run
    own = "cp -a /etc/firewalld /run/firewalld-etc; mkdir -p /run/dbus; mount --bind /run/firewalld-etc /etc/firewalld"
    run(["sh", "-ec", own])
    town.server.lab.path(Path("/run/bus.conf")).write_text(BUS)
    bus = town.server.popen(["dbus-daemon", "--config-file", "/run/bus.conf", "--nofork", "--nopidfile"])
    firewalld = town.server.popen(["firewalld", "--nofork", "--nopid"])
    try:
        deadline = time.monotonic() + 30
        while run(["firewall-cmd", "--state"], check=False).returncode != 0:
            assert time.monotonic() < deadline, "firewalld does not come up"
            assert firewalld.poll() is None, "firewalld has ended"
        yield
    finally:
        for process in (firewalld, bus):
            process.terminate()
            process.wait(30)
        run(["umount", "/etc/firewalld"])


@pytest.mark.usefixtures("firewalld")
@pytest.mark.parametrize("banaction", ["firewallcmd-ipset", "firewallcmd-allports", "firewallcmd-rich-rules"])
def test_firewalld(town: Town, attacker: str, banaction: str) -> None:
    blocks_and_lets_go(town, attacker, banaction, f"shipped-{banaction}")
    left = "firewall-cmd --list-rich-rules; firewall-cmd --direct --get-all-rules; ipset list"
    assert town.server.run(["sh", "-c", left]).stdout.split() == []


def blocks_and_lets_go(town: Town, attacker: str, banaction: str, name: str) -> None:
    log = door(town, name)
    with Daemon(town.server, JAIL.format(name=name, more=f"banaction = {banaction}"), name=name) as daemon:
        assert [row["served"] for row in served(daemon)] == ["as written"]
        assert outcome(town, attacker) == "open"
        knock(log, attacker)
        knock(log, "2001:db8::66")
        daemon.wait_for(
            "the bans", lambda: outcome(town, attacker) != "open" and outcome(town, "2001:db8::66") != "open"
        )
        assert outcome(town, BYSTANDER, 2.0) == "open"
        assert "inet banish" not in town.server.run(["nft", "list", "tables"]).stdout
        daemon.banish("unban", attacker)
        daemon.wait_for("the unban", lambda: outcome(town, attacker) == "open")
        assert outcome(town, "2001:db8::66") != "open"
        assert daemon.ask("status")["problems"] == []
        daemon.stop()
        text = daemon.log.read_text()
    assert outcome(town, "2001:db8::66", 2.0) == "open"
    assert " ERROR " not in text, text


def test_ban_and_mail_with_the_lines_of_the_log(town: Town, attacker: str) -> None:
    log = door(town, "mailing")
    mail = town.server.lab.directory / "mailing" / "mail"
    files = {
        "action.d/sendmail-common.local": f"[Init]\nmailcmd = cat > {mail}.new && mv {mail}.new {mail}\nwhois = echo <ip> is ours\n"
    }
    more = "destemail = admin@example.org\naction = %(action_mwl)s"
    with Daemon(town.server, JAIL.format(name="mailing", more=more), files=files, name="mailing") as daemon:
        assert [row["served"] for row in served(daemon)] == ["natively", "as written"]
        knock(log, attacker, "eve Bcc: everybody@example.org")
        daemon.wait_for("the firewall", lambda: outcome(town, attacker) != "open")
        path = town.server.lab.path(mail)
        daemon.wait_for("the mail", path.exists)
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert message["To"] == "admin@example.org"
        assert message["Bcc"] is None
        assert str(message["Subject"]).startswith(f"[Fail2Ban] door: banned {attacker} from ")
        text = message.get_content()
        assert f"{attacker} has been banned by jail door of " in text
        assert "for 1h." in text
        assert f"Bcc: everybody@example.org from {attacker}" in text
        daemon.stop()


def test_reports_that_nobody_takes_are_told_and_hold_nothing_up(town: Town, attacker: str) -> None:
    log = door(town, "unheard")
    more = 'action = %(action_)s\n  webhook[url="http://127.0.0.1:9/", attempts=1]'
    with Daemon(town.server, JAIL.format(name="unheard", more=more), name="unheard") as daemon:
        knock(log, attacker)
        daemon.wait_for("the firewall", lambda: outcome(town, attacker) != "open")
        daemon.wait_for("the problem", lambda: bool(daemon.ask("status")["problems"]))
        (problem,) = daemon.ask("status")["problems"]
        assert "webhook: 1 reports were not delivered: 127.0.0.1 cannot be reached" in str(problem)
        daemon.stop()
    assert f"the ban of {attacker} was not reported" in daemon.log.read_text()
