"""fail2ban's own actions as a user brings them, run as written: real shells, real firewalls, real connections.

The files are copied from Debian's package when the tests run; none of them is part of this project.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from lab import connect
from lab.daemon import Daemon
from tests.end_to_end.conftest import SERVER, Town

STOCK = Path("/etc/fail2ban")

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not (STOCK / "action.d").is_dir(), reason="needs Debian's package fail2ban for its action.d"),
]

JAIL = """
[sshd]
enabled = false

[door]
enabled = true
filter =
failregex = ^ no entry for <F-USER>.*</F-USER> from <HOST>$
logpath = /run/lab/{name}/door.log
maxretry = 2
bantime = 1h
port = 22
{more}
"""


def door(town: Town, name: str) -> Path:
    log = town.server.lab.path(town.server.lab.directory / name / "door.log")
    log.parent.mkdir(exist_ok=True)
    log.touch()
    return log


def knock(log: Path, source: str, user: str = "root") -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with log.open("a") as opened:
        opened.writelines(f"{stamp} no entry for {user} from {source}\n" for _ in range(2))


def stock(*, modified: bool) -> dict[str, str]:
    """The action.d of the package; *modified* by one harmless comment in each file."""
    more = "\n# ours\n" if modified else ""
    return {f"action.d/{file.name}": file.read_text() + more for file in (STOCK / "action.d").glob("*.conf")}


def outcome(town: Town, source: str, timeout: float = 0.5) -> str:
    """What becomes of a connection to the server's ssh from *source*."""
    target = "2001:db8::1" if ":" in source else SERVER
    words = ["--from", source, "--to", target, "--port", "22", "--timeout", str(timeout)]
    return town.outside.run([sys.executable, connect.__file__, *words]).stdout.splitlines()[0]


def served(daemon: Daemon) -> list[dict[str, str]]:
    actions: list[dict[str, str]] = daemon.ask("status", "door")["jails"][0]["actions"]
    return actions


ACTIONS = [
    "iptables-multiport",
    "iptables-allports",
    "nftables",
    "nftables[type=allports]",
    "iptables-ipset-proto6",
    "iptables-ipset-proto6-allports",
    "iptables-ipset[type=multiport]",
]


@pytest.mark.skipif(shutil.which("ipset", path="/usr/sbin:/sbin:/usr/bin") is None, reason="needs iptables and ipset")
@pytest.mark.parametrize("banaction", ACTIONS)
def test_a_modified_stock_action_runs_as_written_and_really_blocks(town: Town, attacker: str, banaction: str) -> None:
    name = "written-" + banaction.replace("[", "-").replace("]", "").replace("=", "-")
    log = door(town, name)
    local = JAIL.format(name=name, more=f"banaction = {banaction}")
    bystander = "192.0.2.7"
    with Daemon(town.server, local, files=stock(modified=True), name=name) as daemon:
        assert served(daemon) == [{"name": banaction.partition("[")[0], "served": "as written"}]
        assert outcome(town, attacker) == "open"
        knock(log, attacker)
        knock(log, "2001:db8::66")
        daemon.wait_for(
            "the bans", lambda: outcome(town, attacker) != "open" and outcome(town, "2001:db8::66") != "open"
        )
        assert outcome(town, bystander, 2.0) == "open"
        assert "inet banish" not in town.server.run(["nft", "list", "tables"]).stdout
        daemon.banish("unban", attacker)
        daemon.wait_for("the unban", lambda: outcome(town, attacker) == "open")
        assert outcome(town, "2001:db8::66") != "open"
        assert daemon.ask("status")["problems"] == []
        daemon.stop()
        text = daemon.log.read_text()
    assert outcome(town, "2001:db8::66", 2.0) == "open"
    assert f"[door] Flush ticket(s) with {banaction.partition('[')[0]}" in text
    assert " ERROR " not in text, text
    assert (
        "f2b" not in town.server.run(["sh", "-c", "iptables-save; ip6tables-save; nft list ruleset; ipset list"]).stdout
    )


def test_after_kill_9_bans_are_put_in_force_again(town: Town, attacker: str) -> None:
    log = door(town, "written-killed")
    local = JAIL.format(name="written-killed", more="banaction = iptables-multiport")
    with Daemon(town.server, local, files=stock(modified=True), name="written-killed") as daemon:
        knock(log, attacker)
        daemon.wait_for("the ban", lambda: outcome(town, attacker) != "open")
        daemon.kill()
    town.server.run(["iptables", "-F", "f2b-door"])
    assert outcome(town, attacker, 2.0) == "open"
    with Daemon(town.server, local, files=stock(modified=True), name="written-killed") as daemon:
        daemon.wait_for("the ban", lambda: outcome(town, attacker) != "open")
        daemon.banish("unban", attacker)
        daemon.wait_for("the unban", lambda: outcome(town, attacker) == "open")
        daemon.stop()
    assert "f2b" not in town.server.run(["iptables-save"]).stdout


def test_an_unmodified_one_is_served_natively_unless_that_is_switched_off(town: Town, attacker: str) -> None:
    log = door(town, "native")
    local = JAIL.format(name="native", more="banaction = iptables-multiport")
    with Daemon(town.server, local, files=stock(modified=False), name="native") as daemon:
        assert served(daemon) == [{"name": "iptables-multiport", "served": "natively"}]
        knock(log, attacker)
        daemon.wait_for("the ban", lambda: outcome(town, attacker) != "open")
        assert attacker in town.server.run(["nft", "list", "table", "inet", "banish"]).stdout
        assert "f2b" not in town.server.run(["iptables-save"]).stdout
        daemon.configure({"banish.local": "[Definition]\nnative_actions = no\n"})
        daemon.banish("reload")
        assert served(daemon) == [{"name": "iptables-multiport", "served": "as written"}]
        daemon.wait_for("the commands", lambda: attacker in town.server.run(["iptables-save"]).stdout)
        assert outcome(town, attacker) != "open"
        assert "inet banish" not in town.server.run(["nft", "list", "tables"]).stdout
        daemon.stop()


def test_shell_python_and_firewall_side_by_side_with_a_hostile_name(town: Town, attacker: str) -> None:
    log = door(town, "several")
    out = town.server.lab.directory / "several" / "out"
    tell = f"""
[Definition]
actionstart = echo started >> {out}
actionban = printf '%%s\\n' "<F-USER>" "<ip> <failures> <restored>" >> {out}
actionunban = echo unbanned <ip> >> {out}
actionstop = echo stopped >> {out}
"""
    python = f"""
from fail2ban.server.action import ActionBase
class Action(ActionBase):
    def ban(self, aInfo):
        with open("{out}.py", "a") as file:
            print(aInfo["F-*"]["user"], aInfo["ip"], aInfo["ipfailures"], file=file)
"""
    more = "action = %(action_)s\n  tell\n  broken\n  mail.py"
    files = {
        "action.d/tell.conf": tell,
        "action.d/broken.conf": "[Definition]\nactionban = nosuchcommand <ip>\n",
        "action.d/mail.py": python,
    }
    name = f"$(touch {out}.owned) `touch {out}.owned` '\"; touch {out}.owned; #"
    path = town.server.lab.path(out)
    with Daemon(town.server, JAIL.format(name="several", more=more), files=files, name="several") as daemon:
        assert [row["served"] for row in served(daemon)] == ["natively", "as written", "as written", "as written"]
        knock(log, attacker, name)
        daemon.wait_for("the firewall", lambda: outcome(town, attacker) != "open")
        daemon.wait_for("the shell", lambda: len(path.read_text().splitlines()) == 3)
        daemon.wait_for(
            "Python", lambda: path.with_name("out.py").exists() and path.with_name("out.py").read_text() != ""
        )
        assert path.read_text() == f"started\n{name}\n{attacker} 2 0\n"
        assert path.with_name("out.py").read_text() == f"{name} {attacker} 2\n"
        assert not path.with_name("out.owned").exists()
        daemon.wait_for_log(f"-- exec: nosuchcommand {attacker}")
        daemon.kill()
    with Daemon(town.server, JAIL.format(name="several", more=more), files=files, name="several") as daemon:
        daemon.wait_for("the shell", lambda: f"{attacker} 2 1" in path.read_text())
        daemon.stop()
    assert path.read_text().splitlines()[-2:] == [f"unbanned {attacker}", "stopped"]
    assert not path.with_name("out.owned").exists()


def test_a_command_that_hangs_stops_neither_the_log_nor_the_others(town: Town, attacker: str) -> None:
    log = door(town, "hanging")
    files = {"action.d/hang.conf": "[Definition]\nactionban = sleep 600\n[Init]\ntimeout = 1s\n"}
    more = "action = hang\n  %(action_)s"
    with Daemon(town.server, JAIL.format(name="hanging", more=more), files=files, name="hanging") as daemon:
        knock(log, attacker)
        daemon.wait_for("the ban", lambda: outcome(town, attacker) != "open")
        daemon.wait_for("the end of its time", lambda: " -- timed out after 1 seconds." in daemon.log.read_text())
        assert daemon.client("ping").returncode == 0
        assert [row["network"] for row in daemon.ask("banned")] == [f"{attacker}/32"]
        daemon.stop()
